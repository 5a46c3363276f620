# SPDX-License-Identifier: MIT
"""Python's ProcessPoolExecutor as a side of filch-bench: process/python.c starts this and reads what it prints.

Usage: python.py about
       python.py LOAD AMOUNT WORKERS WINDOW BYTES
  process/hot, process/parked   a line "sample NS" for each round trip: for AMOUNT ns, one behind the other; AMOUNT
                                of them, with a pause of a millisecond before each
  any other                     a line "figure NS" for each of AMOUNT jobs: WINDOW at a time, of BYTES bytes
The last line is "over". All as it is by default: the start method, too.
"""
import collections
import concurrent.futures
import multiprocessing
import platform
import signal
import sys
import time

WARM_UP = 64
PAUSE_S = 0.001
PATIENCE_S = 300


def add_one(number):
    return number + 1


def echo(payload):
    return payload


def exchange(executor, number):
    began = time.perf_counter_ns()
    result = executor.submit(add_one, number).result()
    ended = time.perf_counter_ns()
    if result != number + 1:
        sys.exit("a job returned something else than its argument plus one")
    return ended - began


def hot(executor, ns):
    end = time.perf_counter_ns() + ns
    samples = []
    while time.perf_counter_ns() < end:
        samples.append(exchange(executor, len(samples)))
    return samples


def parked(executor, n):
    samples = []
    for i in range(n):
        time.sleep(PAUSE_S)
        samples.append(exchange(executor, i))
    return samples


def stream_numbers(executor, n, window):
    running = collections.deque()
    for i in range(n + window):
        if i >= window and running.popleft().result() != i - window + 1:
            sys.exit("a job returned something else than its argument plus one")
        if i < n:
            running.append(executor.submit(add_one, i))


def stream_bytes(executor, n, window, size):
    payloads = [bytes((7 * k + i) % 256 for i in range(min(size, 256))) * (size // min(size, 256))
                for k in range(window)]
    running = collections.deque()
    for i in range(n + window):
        if i >= window and running.popleft().result() != payloads[i % window]:
            sys.exit("a job returned other bytes than its own")
        if i < n:
            running.append(executor.submit(echo, payloads[i % window]))


def stream(executor, n, window, size):
    began = time.perf_counter_ns()
    if size == 8:
        stream_numbers(executor, n, window)
    else:
        stream_bytes(executor, n, window, size)
    return (time.perf_counter_ns() - began) / n


def main(load, amount, workers, window, size):
    signal.alarm(PATIENCE_S)  # whoever started this is gone by then
    with concurrent.futures.ProcessPoolExecutor(max_workers=workers) as executor:
        for i in range(WARM_UP):
            exchange(executor, i)
        if load == "process/hot":
            samples = hot(executor, amount)
        elif load == "process/parked":
            samples = parked(executor, amount)
        else:
            samples = []
            stream(executor, max(amount // 10, window), window, size)
            print("figure", stream(executor, amount, window, size))
    for sample in samples:
        print("sample", sample)
    print("over")


if __name__ == "__main__":
    if sys.argv[1] == "about":
        print(f"ProcessPoolExecutor of Python {platform.python_version()}, start method "
              f"{multiprocessing.get_start_method()}")
    else:
        main(sys.argv[1], *map(int, sys.argv[2:]))
