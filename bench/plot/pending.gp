# SPDX-License-Identifier: MIT
#
# pending.gp: what a task costs in time and in memory while ever more are pending: flat is what it should be.
#     gnuplot -e "data='build/bench'; out='pending.svg'" bench/plot/pending.gp
load "bench/plot/pools.gp"
set terminal svg size 1200,420 dynamic font "sans-serif,12" background rgb "white"
set output out
set multiplot layout 1,2
set datafile missing "?"
set grid xtics ytics lc rgb "#dddddd"
set key outside right top font ",9" samplen 1.5
set logscale xy
set format x "10^{%L}"
set xrange [700:1.5e7]
set xlabel "tasks pending"
set ylabel "ns per task"
plot for [i = 1:n] data . "/many-pending.dat" using 1:(column(i + 1)) with linespoints \
    lw (word(pools, i) eq "filch" ? 3 : 1.5) lc rgb colour(word(pools, i)) title word(pools, i)
set ylabel "bytes per task, resident"
plot for [i = 1:n] data . "/many-pending-memory.dat" using 1:(column(i + 1)) with linespoints \
    lw (word(pools, i) eq "filch" ? 3 : 1.5) lc rgb colour(word(pools, i)) title word(pools, i)
unset multiplot
