# SPDX-License-Identifier: MIT
#
# latency.gp: which share of the tasks had its result, or had begun, by when. Both axes are logarithmic: a
# step up is ten times fewer tasks that took longer.
#     gnuplot -e "data='build/bench'; out='latency.svg'" bench/plot/latency.gp
load "bench/plot/pools.gp"
set terminal svg size 1200,800 dynamic font "sans-serif,12" background rgb "white"
set output out
set multiplot layout 2,2
set logscale x
set logscale y
set format x "%.0s%cs"
set yrange [1:0.0005]
set ytics ("half" 0.5, "90 %%" 0.1, "99 %%" 0.01, "99.9 %%" 0.001)
set grid xtics ytics lc rgb "#dddddd"
set key outside right top font ",9" samplen 1.5
files = "submit-hot-workers-2 submit-parked-workers-2 open-1000 open-10000"
titles = "'hot, 2 workers' 'parked, 2 workers' '1,000 tasks a second' '10,000 tasks a second'"
do for [k = 1:4] {
    set title word(titles, k)
    if (k <= 2) { set xrange [5e-8:1e-3] } else { set xrange [1e-6:1e-1] }
    set xlabel k <= 2 ? "from submit to result" : "from the intended start until it runs"
    plot for [i = 1:n] data . "/" . word(files, k) . "-" . word(pools, i) . ".dat" \
        using ($1*1e-9):(1-$2+1e-9) with steps lw (word(pools, i) eq "filch" ? 3 : 1.5) \
        lc rgb colour(word(pools, i)) title word(pools, i)
}
unset multiplot
