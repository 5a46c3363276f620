# SPDX-License-Identifier: MIT
#
# many.gp: left, what each of N futures costs to be waited for, and each of N links of a chain: flat
# is what it should be. Right, a call of a map with a window, and the same by hand in other pools.
#     gnuplot -e "data='build/bench'; out='many.svg'" bench/plot/many.gp
load "bench/plot/pools.gp"
set terminal svg size 900,420 dynamic font "sans-serif,12" background rgb "white"
set output out
set multiplot layout 1,2
set grid xtics ytics lc rgb "#dddddd"
set key top left font ",10"
set logscale x
set logscale y
set format x "10^{%L}"
set xrange [70:1500000]
set yrange [5:5000]
set xlabel "futures, or links"
set ylabel "ns for each"
file(name) = sprintf("%s/many-%s.dat", data, name)
plot file("wait-all-promises") using 1:2 with linespoints lw 2.5 lc rgb "#0b7a4b" title "wait, all", \
     file("wait-first-promises") using 1:2 with linespoints lw 1.5 lc rgb "#58b78f" title "wait, first", \
     file("as_completed-promises") using 1:2 with linespoints lw 1.5 lc rgb "#3a5fb0" title "as\\_completed", \
     file("then-inline") using 1:2 with linespoints lw 1.5 lc rgb "#b5482a" title "then, inline", \
     file("then-executor") using 1:2 with linespoints lw 1.5 lc rgb "#d99a3d" title "then, on an executor", \
     file("wait-all-promises") using 1:(column(n + 1)) with linespoints lw 1.5 lc rgb "#999999" title "the memory alone"
unset logscale
unset xlabel
set xrange [*:*]
set yrange [0:*]
set format x "%s"
set ylabel "ns per call"
set style data histograms
set style histogram clustered gap 1
set style fill solid
set boxwidth 0.9
set datafile missing "?"
set xtics noenhanced font ",9"
set key top left
set bmargin 5
plot for [i = 1:n] data . "/per-call.dat" using (column(i + 1)):xtic(1) \
    lc rgb colour(word(pools, i)) title word(pools, i)
unset multiplot
