// The k largest magnitudes with their positions: a radix search for the k-th magnitude (three histograms of 11, 11 and 10 bits), then a pass that
// gathers what lies above it, and of what equals it as much as is lacking.
#include "task.h"

namespace orrery {
namespace {

constexpr int threads = 256;
constexpr int bins = 2048;

struct Search {
    unsigned prefix, lacking, above, equal;
};

template <class T> __device__ unsigned keyOf(T x) { return __float_as_uint(fabsf(wide(x))); }

/// Counts the digits of keys that begin with the prefix found so far.
template <class T> __global__ void histogram(size_t n, const T *x, const Search *search, int shift, int width, int done, unsigned *counts) {
    __shared__ unsigned local[bins];
    for (int i = threadIdx.x; i < bins; i += blockDim.x) local[i] = 0;
    __syncthreads();
    unsigned prefix = search->prefix;
    for (size_t i = blockIdx.x * size_t(blockDim.x) + threadIdx.x; i < n; i += size_t(gridDim.x) * blockDim.x) {
        unsigned key = keyOf(x[i]);
        if (done == 0 || key >> (32 - done) == prefix >> (32 - done)) atomicAdd(local + (key >> shift & unsigned(width - 1)), 1u);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < bins; i += blockDim.x)
        if (local[i]) atomicAdd(counts + i, local[i]);
}

/// One thread walks down from the largest digit; empties the counts for the next round.
__global__ void choose(Search *search, int shift, int width, unsigned *counts) {
    unsigned lacking = search->lacking;
    int digit = width - 1;
    while (digit > 0 && counts[digit] < lacking) lacking -= counts[digit--];
    search->prefix |= unsigned(digit) << shift;
    search->lacking = lacking;
    for (int i = 0; i < bins; i++) counts[i] = 0;
}

__global__ void begin(Search *search, unsigned kept, unsigned *counts) {
    for (int i = threadIdx.x; i < bins; i += blockDim.x) counts[i] = 0;
    if (threadIdx.x == 0) *search = Search{0, kept, 0, 0};
}

template <class T> __global__ void collect(size_t n, const T *x, Search *search, unsigned kept, unsigned *positions, T *values) {
    unsigned limit = search->prefix, lacking = search->lacking;
    for (size_t i = blockIdx.x * size_t(blockDim.x) + threadIdx.x; i < n; i += size_t(gridDim.x) * blockDim.x) {
        unsigned key = keyOf(x[i]);
        if (key < limit) continue;
        unsigned place;
        if (key > limit) {
            place = atomicAdd(&search->above, 1u);
        } else {
            unsigned rank = atomicAdd(&search->equal, 1u);
            if (rank >= lacking) continue;
            place = kept - 1 - rank;
        }
        if (place >= kept) continue;
        positions[place] = unsigned(i);
        values[place] = x[i];
    }
}

} // namespace

Task makeTopK(const orrery_cuda_call &call, const Device &device) {
    need(call, 2);
    size_t n = call.sizes[0];
    unsigned kept = unsigned(call.sizes[1]);
    if (call.sizes[1] > call.sizes[0] || n > 0xffffffffu) throw Fault(ORRERY_CUDA_FAILED, "kept is at most count, and count below 2^32");
    return withType(call.dtype, [&](auto zero) -> Task {
        using T = decltype(zero);
        auto o = std::make_shared<Operands>(
            std::vector<size_t>{n * sizeof(T), kept * sizeof(unsigned), kept * sizeof(T), sizeof(Search), bins * sizeof(unsigned)}, device.cache);
        o->fill(0, call.dtype, n);
        unsigned blocks = unsigned(std::min<size_t>((n + threads - 1) / threads, size_t(device.units) * 8));
        return Task{o, o->sets(), [=](int set, cudaStream_t stream) {
                        T *x = o->at<T>(set, 0);
                        Search *search = o->at<Search>(set, 3);
                        unsigned *counts = o->at<unsigned>(set, 4);
                        begin<<<1, threads, 0, stream>>>(search, kept, counts);
                        const int shifts[] = {21, 10, 0}, widths[] = {2048, 2048, 1024}, done[] = {0, 11, 22};
                        for (int round = 0; round < 3; round++) {
                            histogram<T><<<blocks, threads, 0, stream>>>(n, x, search, shifts[round], widths[round], done[round], counts);
                            choose<<<1, 1, 0, stream>>>(search, shifts[round], widths[round], counts);
                        }
                        collect<T><<<blocks, threads, 0, stream>>>(n, x, search, kept, o->at<unsigned>(set, 1), o->at<T>(set, 2));
                        checkLaunch("top-k");
                    }};
    });
}

} // namespace orrery
