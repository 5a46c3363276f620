# SPDX-License-Identifier: MIT
#
# per-task.gp: above, nanoseconds for each task, load by load; below, divided work and loops, as a multiple
# of what the same takes in one thread without a pool.
#     gnuplot -e "data='build/bench'; out='per-task.svg'" bench/plot/per-task.gp
load "bench/plot/pools.gp"
set terminal svg size 1200,900 dynamic font "sans-serif,12" background rgb "white"
set output out
set multiplot layout 2,1
set style data histograms
set style histogram clustered gap 2
set style fill solid
set boxwidth 0.95
set datafile missing "?"
set logscale y
set grid ytics lc rgb "#dddddd"
set xtics noenhanced font ",9"
set key outside right top font ",10"
set bmargin 5
set ylabel "ns per task"
plot for [i = 1:n] data . "/per-task.dat" using (column(i + 1)):xtic(1) \
    lc rgb colour(word(pools, i)) title word(pools, i)
set ylabel "times one thread's, without a pool"
if (word(pools, n) eq "machine") {
    plot for [i = 1:n-1] data . "/divided.dat" using (column(i + 1) / column(n + 1)):xtic(1) \
        lc rgb colour(word(pools, i)) title word(pools, i)
}
unset multiplot
