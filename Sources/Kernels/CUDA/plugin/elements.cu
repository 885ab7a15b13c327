// Elementwise kernels, the optimizer's step, sums of squares, and rows of a table.
#include "task.h"

namespace orrery {
namespace {

constexpr int threads = 256;

__device__ size_t firstElement() { return blockIdx.x * size_t(blockDim.x) + threadIdx.x; }
__device__ size_t stride() { return size_t(gridDim.x) * blockDim.x; }
unsigned blocksFor(size_t count, const Device &device) {
    return unsigned(std::min<size_t>((count + threads - 1) / threads, size_t(device.units) * 16));
}

/// One step of AdamW (arXiv:1711.05101) on float32 parameters, with a copy of them in T.
template <class T>
__global__ void adamW(size_t n, float *parameters, float *first, float *second, const float *gradient, T *copy, float rate, float correction) {
    for (size_t i = firstElement(); i < n; i += stride()) {
        float g = gradient[i], m = 0.9f * first[i] + 0.1f * g, v = 0.95f * second[i] + 0.05f * g * g;
        float p = parameters[i] * (1 - rate * 0.1f) - rate * m / (sqrtf(v) * correction + 1e-8f);
        first[i] = m;
        second[i] = v;
        parameters[i] = p;
        copy[i] = narrow<T>(p);
    }
}

template <class T> __global__ void sumSquares(size_t n, const T *x, float *sum) {
    float part = 0;
    for (size_t i = firstElement(); i < n; i += stride()) part += wide(x[i]) * wide(x[i]);
    part = blockReduce<false>(part);
    if (threadIdx.x == 0) atomicAdd(sum, part);
}

__device__ float gelu(float x) { return 0.5f * x * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x))); }
__device__ float geluSlope(float x) {
    float t = tanhf(0.7978845608f * (x + 0.044715f * x * x * x));
    return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * 0.7978845608f * (1 + 3 * 0.044715f * x * x);
}
/// A counter turned into a random number in [0, 1).
__device__ float draw(uint64_t counter) {
    uint64_t z = counter * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    return float((z ^ (z >> 31)) >> 40) * 0x1p-24f;
}

/// y from x and the second operand z, all [n]; swiglu reads gate and value from x and z, rotary turns pairs by the angles of z.
template <class T, int mode> __global__ void elementwise(size_t n, const T *x, const T *z, T *y) {
    for (size_t i = firstElement(); i < n; i += stride()) {
        float a = wide(x[i]);
        if (mode == 0) a += wide(z[i]);
        if (mode == 1) a = gelu(a);
        if (mode == 2) a = wide(z[i]) * geluSlope(a);
        if (mode == 3) a = a / (1 + __expf(-a)) * wide(z[i]);
        if (mode == 4) a = draw(i) < 0.9f ? a / 0.9f : 0.0f;
        if (mode == 5) {
            float other = wide(x[i ^ 1]), sine, cosine;
            __sincosf(wide(z[i / 2]), &sine, &cosine);
            a = i & 1 ? a * cosine + other * sine : a * cosine - other * sine;
        }
        if (mode == 6) a *= 0.5f;
        y[i] = narrow<T>(a);
    }
}

template <class T> __global__ void gather(size_t count, int width, const T *table, const int *rows, T *y) {
    for (size_t i = firstElement(); i < count; i += stride()) y[i] = table[size_t(rows[i / width]) * width + i % width];
}
template <class T> __global__ void scatterAdd(size_t count, int width, const T *x, const int *rows, float *table) {
    for (size_t i = firstElement(); i < count; i += stride()) atomicAdd(table + size_t(rows[i / width]) * width + i % width, wide(x[i]));
}
__global__ void makeRows(size_t count, unsigned limit, int *rows) {
    for (size_t i = firstElement(); i < count; i += stride()) rows[i] = int(draw(i + 1) * float(limit)) % int(limit);
}

template <class T> Task makeElementwise(const orrery_cuda_call &call, const Device &device) {
    size_t n = call.sizes[0] + (call.sizes[0] & 1), bytes = n * sizeof(T);
    bool hasSecond = call.mode == 0 || call.mode == 2 || call.mode == 3 || call.mode == 5;
    auto o = std::make_shared<Operands>(std::vector<size_t>{bytes, hasSecond ? bytes : 0, bytes}, device.cache);
    o->fill(0, call.dtype, n);
    if (hasSecond) o->fill(1, call.dtype, n);
    unsigned blocks = blocksFor(n, device);
    int mode = call.mode;
    if (mode < 0 || mode > 6) throw Fault(ORRERY_CUDA_FAILED, "an elementwise kernel of mode " + std::to_string(mode));
    return Task{o, o->sets(), [=](int set, cudaStream_t stream) {
                    T *x = o->at<T>(set, 0), *z = o->at<T>(set, 1), *y = o->at<T>(set, 2);
                    switch (mode) {
                    case 0: elementwise<T, 0><<<blocks, threads, 0, stream>>>(n, x, z, y); break;
                    case 1: elementwise<T, 1><<<blocks, threads, 0, stream>>>(n, x, z, y); break;
                    case 2: elementwise<T, 2><<<blocks, threads, 0, stream>>>(n, x, z, y); break;
                    case 3: elementwise<T, 3><<<blocks, threads, 0, stream>>>(n, x, z, y); break;
                    case 4: elementwise<T, 4><<<blocks, threads, 0, stream>>>(n, x, z, y); break;
                    case 5: elementwise<T, 5><<<blocks, threads, 0, stream>>>(n, x, z, y); break;
                    default: elementwise<T, 6><<<blocks, threads, 0, stream>>>(n, x, z, y); break;
                    }
                    checkLaunch("elementwise");
                }};
}

template <class T> Task makeTable(const orrery_cuda_call &call, const Device &device) {
    need(call, 3);
    int width = int(call.sizes[1]);
    size_t count = size_t(call.sizes[0]) * width, table = size_t(call.sizes[2]) * width;
    bool adds = call.kind == ORRERY_CUDA_SCATTER_ADD;
    auto o = std::make_shared<Operands>(
        std::vector<size_t>{table * (adds ? sizeof(float) : sizeof(T)), size_t(call.sizes[0]) * sizeof(int), count * sizeof(T)}, device.cache);
    o->fill(0, adds ? int32_t(ORRERY_CUDA_FP32) : call.dtype, table);
    o->fill(2, call.dtype, count);
    for (int set = 0; set < o->sets(); set++)
        makeRows<<<blocksFor(call.sizes[0], device), threads>>>(call.sizes[0], unsigned(call.sizes[2]), o->at<int>(set, 1));
    checkLaunch("rows");
    unsigned blocks = blocksFor(count, device);
    return Task{o, o->sets(), [=](int set, cudaStream_t stream) {
                    if (adds)
                        scatterAdd<T><<<blocks, threads, 0, stream>>>(count, width, o->at<T>(set, 2), o->at<int>(set, 1), o->at<float>(set, 0));
                    else
                        gather<T><<<blocks, threads, 0, stream>>>(count, width, o->at<T>(set, 0), o->at<int>(set, 1), o->at<T>(set, 2));
                    checkLaunch("rows of a table");
                }};
}

} // namespace

Task makeElements(const orrery_cuda_call &call, const Device &device) {
    need(call, 1);
    return withType(call.dtype, [&](auto zero) -> Task {
        using T = decltype(zero);
        size_t n = call.sizes[0], single = n * sizeof(float);
        unsigned blocks = blocksFor(n, device);
        switch (call.kind) {
        case ORRERY_CUDA_GATHER:
        case ORRERY_CUDA_SCATTER_ADD: return makeTable<T>(call, device);
        case ORRERY_CUDA_ADAMW: {
            auto o = std::make_shared<Operands>(std::vector<size_t>{single, single, single, single, n * sizeof(T)}, device.cache);
            for (int operand : {0, 3}) o->fill(operand, ORRERY_CUDA_FP32, n);
            return Task{o, o->sets(), [=](int set, cudaStream_t stream) {
                            adamW<T><<<blocks, threads, 0, stream>>>(n, o->at<float>(set, 0), o->at<float>(set, 1), o->at<float>(set, 2),
                                                                     o->at<float>(set, 3), o->at<T>(set, 4), 1e-6f, 1.0f);
                            checkLaunch("adamw");
                        }};
        }
        case ORRERY_CUDA_SUM_SQUARES: {
            auto o = std::make_shared<Operands>(std::vector<size_t>{n * sizeof(T), sizeof(float)}, device.cache);
            o->fill(0, call.dtype, n);
            return Task{o, o->sets(), [=](int set, cudaStream_t stream) {
                            check(cudaMemsetAsync(o->at<float>(set, 1), 0, sizeof(float), stream), "memset");
                            sumSquares<T><<<blocks, threads, 0, stream>>>(n, o->at<T>(set, 0), o->at<float>(set, 1));
                            checkLaunch("sum of squares");
                        }};
        }
        default: return makeElementwise<T>(call, device);
        }
    });
}

} // namespace orrery
