# SPDX-License-Identifier: MIT
#
# per-task.gp: nanoseconds for each task, load by load.
#     gnuplot -e "data='build/bench'; out='per-task.svg'" bench/plot/per-task.gp
set terminal svg size 900,460 dynamic font "sans-serif,12" background rgb "white"
set output out
set style data histograms
set style histogram clustered gap 1
set style fill solid
set boxwidth 0.9
set datafile missing "?"
set yrange [0:*]
set grid ytics lc rgb "#dddddd"
set ylabel "ns per task"
set xtics noenhanced font ",10"
set key top right
set bmargin 4
plot data . "/per-task.dat" using 2:xtic(1) lc rgb "#0b7a4b" title "filch", \
     "" using 3 lc rgb "#b5482a" title "naive", \
     "" using 4 lc rgb "#3a5fb0" title "ck", \
     "" using 5 lc rgb "#999999" title "machine"
