# SPDX-License-Identifier: MIT
#
# latency.gp: which share of the tasks had its result by when. Both axes are logarithmic: a step up
# is ten times fewer tasks that took longer.
#     gnuplot -e "data='build/bench'; out='latency.svg'" bench/plot/latency.gp
set terminal svg size 900,420 dynamic font "sans-serif,12" background rgb "white"
set output out
set multiplot layout 1,2
set logscale x
set logscale y
set format x "%.0s%cs"
set yrange [1:0.0005]
set ytics ("half" 0.5, "90 %%" 0.1, "99 %%" 0.01, "99.9 %%" 0.001)
set grid xtics ytics lc rgb "#dddddd"
set key top left
set xlabel "from submit to result"
file(load, side) = sprintf("%s/submit-%s-workers-2-%s.dat", data, load, side)
set style line 1 lw 2.5 lc rgb "#0b7a4b"
set style line 2 lw 1.5 lc rgb "#b5482a"
set style line 3 lw 1.5 lc rgb "#3a5fb0"
set style line 4 lw 1.5 lc rgb "#999999"
set xrange [5e-8:1e-3]
do for [load in "hot parked"] {
    set title sprintf("%s, 2 workers", load)
    plot file(load, "machine") using ($1*1e-9):(1-$2+1e-9) with steps ls 4 title "machine", \
         file(load, "ck") using ($1*1e-9):(1-$2+1e-9) with steps ls 3 title "ck", \
         file(load, "naive") using ($1*1e-9):(1-$2+1e-9) with steps ls 2 title "naive", \
         file(load, "filch") using ($1*1e-9):(1-$2+1e-9) with steps ls 1 title "filch"
}
unset multiplot
