#pragma once
// 32 lanes to one, pairwise (16 apart, 8, 4, 2, 1): written out so that all of it stays in registers, where a loop would go through memory at
// every step and wait for it.
typedef float LaneEight __attribute__((vector_size(32), aligned(4)));
typedef float LaneFour __attribute__((vector_size(16)));

static inline __attribute__((always_inline)) float lanes_sum(const float *lane) {
    const LaneEight *eight = (const LaneEight *)lane;
    LaneEight a = (eight[0] + eight[2]) + (eight[1] + eight[3]);
    LaneFour b = __builtin_shufflevector(a, a, 0, 1, 2, 3) + __builtin_shufflevector(a, a, 4, 5, 6, 7);
    return (b[0] + b[2]) + (b[1] + b[3]);
}
