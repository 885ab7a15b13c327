// FP8 (E4M3, arXiv:2209.05433) and int8 quantisation as training stacks do it: with a scale known beforehand ("delayed"), found in a pass of its own
// ("current"), one a row, one for 128 elements, and with a transposed copy for the weight gradient.
#include "task.h"

namespace orrery {
namespace {

constexpr int threads = 256;
constexpr int blockLength = 128;

template <class Q> __device__ Q quantised(float x);
template <> __device__ inline __nv_fp8_e4m3 quantised<__nv_fp8_e4m3>(float x) { return __nv_fp8_e4m3(x); }
template <> __device__ inline int8_t quantised<int8_t>(float x) { return int8_t(max(-127, min(127, __float2int_rn(x)))); }
template <class Q> __device__ float largest();
template <> __device__ inline float largest<__nv_fp8_e4m3>() { return 448; }
template <> __device__ inline float largest<int8_t>() { return 127; }

/// Non-negative floats compare as their bits do.
__device__ void atomicMax(float *to, float x) { ::atomicMax(reinterpret_cast<int *>(to), __float_as_int(x)); }

template <class T> __global__ void magnitude(size_t n, const T *x, float *top) {
    float part = 0;
    for (size_t i = blockIdx.x * size_t(blockDim.x) + threadIdx.x; i < n; i += size_t(gridDim.x) * blockDim.x) part = fmaxf(part, fabsf(wide(x[i])));
    part = blockReduce<true>(part);
    if (threadIdx.x == 0) atomicMax(top, part);
}

/// One scale for all; `top` receives the largest magnitude for the next step's scale where `records`.
template <class T, class Q> __global__ void whole(size_t n, const T *x, const float *top, Q *y, float *next, bool records) {
    float scale = largest<Q>() / fmaxf(*top, 1e-12f), part = 0;
    for (size_t i = blockIdx.x * size_t(blockDim.x) + threadIdx.x; i < n; i += size_t(gridDim.x) * blockDim.x) {
        float value = wide(x[i]);
        part = fmaxf(part, fabsf(value));
        y[i] = quantised<Q>(value * scale);
    }
    if (!records) return;
    part = blockReduce<true>(part);
    if (threadIdx.x == 0) atomicMax(next, part);
}

/// A block for each run of `length` elements: a row, or 128.
template <class T, class Q> __global__ void runs(size_t n, int length, const T *x, Q *y, float *scales) {
    size_t start = blockIdx.x * size_t(length);
    int count = int(min(size_t(length), n - start));
    float top = 0;
    for (int i = threadIdx.x; i < count; i += blockDim.x) top = fmaxf(top, fabsf(wide(x[start + i])));
    top = fmaxf(blockReduce<true>(top), 1e-12f);
    for (int i = threadIdx.x; i < count; i += blockDim.x) y[start + i] = quantised<Q>(wide(x[start + i]) * (largest<Q>() / top));
    if (threadIdx.x == 0) scales[blockIdx.x] = top / largest<Q>();
}

/// Rows and columns swapped on the way, through tiles of 32 x 32.
template <class T, class Q>
__global__ void transposed(int rows, int width, const T *x, const float *top, Q *y, Q *turned, float *next) {
    __shared__ float tile[32][33];
    float scale = largest<Q>() / fmaxf(*top, 1e-12f), part = 0;
    int column = blockIdx.x * 32 + threadIdx.x;
    for (int i = threadIdx.y; i < 32; i += 8) {
        int row = blockIdx.y * 32 + i;
        if (row >= rows || column >= width) continue;
        float value = wide(x[size_t(row) * width + column]);
        part = fmaxf(part, fabsf(value));
        tile[i][threadIdx.x] = value * scale;
        y[size_t(row) * width + column] = quantised<Q>(value * scale);
    }
    __syncthreads();
    int row = blockIdx.y * 32 + threadIdx.x;
    for (int i = threadIdx.y; i < 32; i += 8) {
        int from = blockIdx.x * 32 + i;
        if (row < rows && from < width) turned[size_t(from) * rows + row] = quantised<Q>(tile[threadIdx.x][i]);
    }
    part = warpMax(part);
    if (threadIdx.x == 0) atomicMax(next, part);
}

template <class T, class Q> Task make(const orrery_cuda_call &call, const Device &device) {
    int rows = int(call.sizes[0]), width = int(call.sizes[1]), mode = call.mode;
    size_t n = size_t(rows) * width;
    size_t runCount = mode == 2 ? rows : mode == 3 ? (n + blockLength - 1) / blockLength : 1;
    if (mode < 0 || mode > 4) throw Fault(ORRERY_CUDA_FAILED, "quantisation of mode " + std::to_string(mode));
    if (runCount > 0x7fffffff) throw Fault(ORRERY_CUDA_UNSUPPORTED, "too many scales");
    auto o = std::make_shared<Operands>(
        std::vector<size_t>{n * sizeof(T), n, runCount * sizeof(float), sizeof(float), mode == 4 ? n : 0}, device.cache);
    o->fill(0, call.dtype, n);
    o->fill(2, ORRERY_CUDA_FP32, 1);
    unsigned blocks = unsigned(std::min<size_t>((n + threads - 1) / threads, size_t(device.units) * 16));
    return Task{o, o->sets(), [=](int set, cudaStream_t stream) {
                    T *x = o->at<T>(set, 0);
                    Q *y = o->at<Q>(set, 1);
                    float *scales = o->at<float>(set, 2), *next = o->at<float>(set, 3);
                    switch (mode) {
                    case 0: whole<T, Q><<<blocks, threads, 0, stream>>>(n, x, scales, y, next, true); break;
                    case 1:
                        check(cudaMemsetAsync(scales, 0, sizeof(float), stream), "memset");
                        magnitude<T><<<blocks, threads, 0, stream>>>(n, x, scales);
                        whole<T, Q><<<blocks, threads, 0, stream>>>(n, x, scales, y, next, false);
                        break;
                    case 2: runs<T, Q><<<unsigned(runCount), threads, 0, stream>>>(n, width, x, y, scales); break;
                    case 3: runs<T, Q><<<unsigned(runCount), blockLength, 0, stream>>>(n, blockLength, x, y, scales); break;
                    default: {
                        dim3 grid((width + 31) / 32, (rows + 31) / 32);
                        transposed<T, Q><<<grid, dim3(32, 8), 0, stream>>>(rows, width, x, scales, y, o->at<Q>(set, 4), next);
                    }
                    }
                    checkLaunch("quantise");
                }};
}

} // namespace

Task makeQuantise(const orrery_cuda_call &call, const Device &device) {
    need(call, 2);
    if (call.sizes[0] > (1 << 20) || call.sizes[1] > (1 << 24)) throw Fault(ORRERY_CUDA_UNSUPPORTED, "at most 2^20 rows of 2^24");
    bool isFloat8 = call.out == ORRERY_CUDA_E4M3;
    if (!isFloat8 && call.out != ORRERY_CUDA_INT8) throw Fault(ORRERY_CUDA_UNSUPPORTED, "quantisation is to fp8 (E4M3) and int8");
    return withType(call.dtype, [&](auto zero) -> Task {
        using T = decltype(zero);
        return isFloat8 ? make<T, __nv_fp8_e4m3>(call, device) : make<T, int8_t>(call, device);
    });
}

} // namespace orrery
