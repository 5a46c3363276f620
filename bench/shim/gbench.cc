/* SPDX-License-Identifier: MIT
 *
 * gbench.cc: Google Benchmark behind the C face of gbench.h. A struct gbench is a benchmark::State
 * under another name. */
#include "gbench.h"

#include <benchmark/benchmark.h>
#include <string>
#include <vector>

static benchmark::State *state_of(gbench *g)
{
    return reinterpret_cast<benchmark::State *>(g);
}

static const benchmark::State *state_of(const gbench *g)
{
    return reinterpret_cast<const benchmark::State *>(g);
}

static benchmark::internal::Benchmark *add(const char *name, gbench_fn *fn, void *arg, int threads)
{
    auto body = [fn, arg](benchmark::State &state) { fn(reinterpret_cast<gbench *>(&state), arg); };

    return benchmark::RegisterBenchmark(name, body)->Threads(threads);
}

extern "C" void gbench_register(const char *name, gbench_fn *fn, void *arg, int threads)
{
    add(name, fn, arg, threads)->UseRealTime();
}

extern "C" void gbench_register_timed(const char *name, gbench_fn *fn, void *arg, int threads)
{
    add(name, fn, arg, threads)->UseManualTime();
}

extern "C" bool gbench_once(gbench *g)
{
    return state_of(g)->KeepRunning();
}

extern "C" bool gbench_batch(gbench *g, int64_t n)
{
    return state_of(g)->KeepRunningBatch(n);
}

extern "C" int gbench_thread(const gbench *g)
{
    return state_of(g)->thread_index();
}

extern "C" void gbench_time(gbench *g, double seconds)
{
    state_of(g)->SetIterationTime(seconds);
}

extern "C" void gbench_fail(gbench *g, const char *message)
{
    state_of(g)->SkipWithError(message);
}

namespace
{

class Teller : public benchmark::BenchmarkReporter
{
  public:
    Teller(void (*note)(void *, const gbench_result *), void *arg) : note_(note), arg_(arg)
    {
    }

    bool ReportContext(const Context &) override
    {
        return true;
    }

    void ReportRuns(const std::vector<Run> &runs) override
    {
        for (const Run &run : runs) {
            if (run.run_type != Run::RT_Iteration)
                continue;

            double seconds = run.real_accumulated_time * static_cast<double>(run.threads);
            double operations = static_cast<double>(run.iterations);
            gbench_result result = {};

            result.name = run.run_name.function_name.c_str();
            result.error = run.error_occurred ? run.error_message.c_str() : nullptr;
            result.ns = operations > 0 ? seconds * 1e9 / operations : 0;
            result.iterations = static_cast<int64_t>(run.iterations);
            note_(arg_, &result);
            told_++;
        }
    }

    size_t told() const
    {
        return told_;
    }

  private:
    void (*note_)(void *, const gbench_result *);
    void *arg_;
    size_t told_ = 0;
};

} // namespace

extern "C" size_t gbench_run(const char *only, double min_seconds, int repetitions,
                             void (*note)(void *arg, const gbench_result *result), void *arg)
{
    std::string program = "filch-bench";
    std::string min_time = "--benchmark_min_time=" + std::to_string(min_seconds);
    std::string repeat = "--benchmark_repetitions=" + std::to_string(repetitions);
    std::string mix = "--benchmark_enable_random_interleaving=true";
    char *argv[] = {&program[0], &min_time[0], &repeat[0], &mix[0], nullptr};
    int argc = 4;
    Teller teller(note, arg);

    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks(&teller, only);
    return teller.told();
}
