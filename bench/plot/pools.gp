# SPDX-License-Identifier: MIT
#
# pools.gp: what the plots share: the sides that were measured, in the order of the data's columns, and a
# colour for each, the same in every plot.
pools = system("cat " . data . "/pools.dat")
n = words(pools)
all = "filch f-malloc naive ck global spawn async tbb tbb-group libgomp libomp asio asio-post glib libuv machine"
colours = "#0b7a4b #7fc4a4 #b5482a #3a5fb0 #8c5a3c #d9a0a0 #c9b400 #6a3d9a #b08fd0 #e07b00 #f5b970 #d0006f #f08fc0 #00a0b0 #5c8a00 #999999"
number(name) = sum [i = 1:words(all)] (word(all, i) eq name ? i : 0)
colour(name) = word(colours, number(name))
