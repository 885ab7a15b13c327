// Scaled dot-product attention without the square of scores in memory (after arXiv:2205.14135 and 2307.08691), plain: no tensor cores. Operands
// are [batch][heads][length][head_dim]; the fast one is cuDNN's, see attention_cudnn.cu.
#include "task.h"

namespace orrery {

Task makeCudnnAttention(const orrery_cuda_call &, const Device &);

namespace {

struct Shape {
    int batch, heads, kvHeads, queries, keys, dim;
    bool causal;
    float scale;
};

constexpr int rowsOfBlock = 16; // 4 warps of 4 rows each
constexpr int tile = 32;
constexpr int mostDim = 256;
constexpr int perLane = mostDim / 32;

/// Loads `tile` rows of `dim` into shared memory, rows beyond the end as zeros.
template <class T> __device__ void load(float *to, const T *from, int first, int count, int dim) {
    for (int i = threadIdx.x; i < tile * dim; i += blockDim.x) {
        int row = i / dim, column = i % dim;
        to[row * (dim + 1) + column] = first + row < count ? wide(from[size_t(first + row) * dim + column]) : 0.0f;
    }
}

/// The last key that a query sees: queries are aligned with the end of the keys.
__device__ int lastKey(const Shape &s, int query) { return s.causal ? query + s.keys - s.queries : s.keys - 1; }

template <class T>
__global__ void __launch_bounds__(128) forward(Shape s, const T *q, const T *k, const T *v, T *out, float *logSums) {
    extern __shared__ float shared[];
    float *keys = shared, *values = shared + tile * (s.dim + 1), *queries = values + tile * (s.dim + 1);
    int head = blockIdx.y, group = s.heads / s.kvHeads;
    int kvHead = head / s.heads * s.kvHeads + head % s.heads / group;
    const T *headQ = q + size_t(head) * s.queries * s.dim;
    const T *headK = k + size_t(kvHead) * s.keys * s.dim, *headV = v + size_t(kvHead) * s.keys * s.dim;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, first = blockIdx.x * rowsOfBlock;
    for (int i = threadIdx.x; i < rowsOfBlock * s.dim; i += blockDim.x)
        queries[i] = first + i / s.dim < s.queries ? wide(headQ[size_t(first) * s.dim + i]) * s.scale : 0.0f;
    float top[4], sum[4], acc[4][perLane];
    for (int r = 0; r < 4; r++) {
        top[r] = -INFINITY;
        sum[r] = 0;
        for (int d = 0; d < perLane; d++) acc[r][d] = 0;
    }
    int end = s.causal ? min(s.keys, lastKey(s, min(first + rowsOfBlock, s.queries) - 1) + 1) : s.keys;
    for (int start = 0; start < end; start += tile) {
        __syncthreads();
        load(keys, headK, start, s.keys, s.dim);
        load(values, headV, start, s.keys, s.dim);
        __syncthreads();
        for (int r = 0; r < 4; r++) {
            int query = first + warp * 4 + r;
            const float *x = queries + (warp * 4 + r) * s.dim;
            float score = 0;
            for (int d = 0; d < s.dim; d++) score += x[d] * keys[lane * (s.dim + 1) + d];
            if (start + lane > min(lastKey(s, query), s.keys - 1)) score = -INFINITY;
            float highest = fmaxf(top[r], warpMax(score));
            if (highest == -INFINITY) continue;
            float factor = __expf(top[r] - highest), p = __expf(score - highest);
            sum[r] = sum[r] * factor + warpSum(p);
            top[r] = highest;
            for (int d = 0; d < perLane; d++) acc[r][d] *= factor;
            for (int j = 0; j < tile; j++) {
                float share = __shfl_sync(0xffffffffu, p, j);
                for (int d = 0; d < perLane; d++)
                    if (d * 32 + lane < s.dim) acc[r][d] += share * values[j * (s.dim + 1) + d * 32 + lane];
            }
        }
    }
    for (int r = 0; r < 4; r++) {
        int query = first + warp * 4 + r;
        if (query >= s.queries) continue;
        float inverse = sum[r] > 0 ? 1 / sum[r] : 0;
        for (int d = 0; d < perLane; d++)
            if (d * 32 + lane < s.dim) out[(size_t(head) * s.queries + query) * s.dim + d * 32 + lane] = narrow<T>(acc[r][d] * inverse);
        if (lane == 0) logSums[size_t(head) * s.queries + query] = top[r] + __logf(sum[r]);
    }
}

/// deltas [heads][queries] = sum over the head of dO times O.
template <class T> __global__ void rowDots(int rows, int dim, const T *a, const T *b, float *dots) {
    int row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    float sum = 0;
    for (int d = lane; d < dim; d += 32) sum += wide(a[size_t(row) * dim + d]) * wide(b[size_t(row) * dim + d]);
    sum = warpSum(sum);
    if (lane == 0) dots[row] = sum;
}

template <class T> struct Gradients {
    const T *q, *k, *v, *dOut;
    const float *logSums, *deltas;
    T *dQ, *dK, *dV;
};

/// dQ: a warp for four queries, all keys pass by.
template <class T> __global__ void __launch_bounds__(128) backwardQueries(Shape s, Gradients<T> g) {
    extern __shared__ float shared[];
    float *keys = shared, *values = shared + tile * (s.dim + 1);
    float *queries = values + tile * (s.dim + 1), *outs = queries + rowsOfBlock * s.dim;
    int head = blockIdx.y, group = s.heads / s.kvHeads;
    int kvHead = head / s.heads * s.kvHeads + head % s.heads / group;
    const T *headK = g.k + size_t(kvHead) * s.keys * s.dim, *headV = g.v + size_t(kvHead) * s.keys * s.dim;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, first = blockIdx.x * rowsOfBlock;
    size_t base = size_t(head) * s.queries;
    for (int i = threadIdx.x; i < rowsOfBlock * s.dim; i += blockDim.x) {
        bool inside = first + i / s.dim < s.queries;
        queries[i] = inside ? wide(g.q[(base + first) * s.dim + i]) * s.scale : 0.0f;
        outs[i] = inside ? wide(g.dOut[(base + first) * s.dim + i]) : 0.0f;
    }
    float acc[4][perLane] = {};
    int end = s.causal ? min(s.keys, lastKey(s, min(first + rowsOfBlock, s.queries) - 1) + 1) : s.keys;
    for (int start = 0; start < end; start += tile) {
        __syncthreads();
        load(keys, headK, start, s.keys, s.dim);
        load(values, headV, start, s.keys, s.dim);
        __syncthreads();
        for (int r = 0; r < 4; r++) {
            int row = warp * 4 + r, query = first + row;
            if (query >= s.queries) continue;
            float score = 0, change = 0;
            for (int d = 0; d < s.dim; d++) {
                score += queries[row * s.dim + d] * keys[lane * (s.dim + 1) + d];
                change += outs[row * s.dim + d] * values[lane * (s.dim + 1) + d];
            }
            bool isSeen = start + lane <= min(lastKey(s, query), s.keys - 1);
            float p = isSeen ? __expf(score - g.logSums[base + query]) : 0.0f;
            float slope = p * (change - g.deltas[base + query]) * s.scale;
            for (int j = 0; j < tile; j++) {
                float share = __shfl_sync(0xffffffffu, slope, j);
                for (int d = 0; d < perLane; d++)
                    if (d * 32 + lane < s.dim) acc[r][d] += share * keys[j * (s.dim + 1) + d * 32 + lane];
            }
        }
    }
    for (int r = 0; r < 4; r++) {
        int query = first + warp * 4 + r;
        if (query >= s.queries) continue;
        for (int d = 0; d < perLane; d++)
            if (d * 32 + lane < s.dim) g.dQ[(base + query) * s.dim + d * 32 + lane] = narrow<T>(acc[r][d]);
    }
}

/// dK and dV: a warp for four keys, all queries of the group's heads pass by.
template <class T> __global__ void __launch_bounds__(128) backwardKeys(Shape s, Gradients<T> g) {
    extern __shared__ float shared[];
    float *queries = shared, *outs = shared + tile * (s.dim + 1);
    float *keys = outs + tile * (s.dim + 1), *values = keys + rowsOfBlock * s.dim;
    int kvHead = blockIdx.y, group = s.heads / s.kvHeads;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, first = blockIdx.x * rowsOfBlock;
    size_t base = size_t(kvHead) * s.keys;
    for (int i = threadIdx.x; i < rowsOfBlock * s.dim; i += blockDim.x) {
        bool inside = first + i / s.dim < s.keys;
        keys[i] = inside ? wide(g.k[(base + first) * s.dim + i]) : 0.0f;
        values[i] = inside ? wide(g.v[(base + first) * s.dim + i]) : 0.0f;
    }
    float dK[4][perLane] = {}, dV[4][perLane] = {};
    for (int member = 0; member < group; member++) {
        int head = kvHead / s.kvHeads * s.heads + kvHead % s.kvHeads * group + member;
        size_t queryBase = size_t(head) * s.queries;
        int begin = s.causal ? max(0, first - (s.keys - s.queries)) / tile * tile : 0;
        for (int start = begin; start < s.queries; start += tile) {
            __syncthreads();
            load(queries, g.q + queryBase * s.dim, start, s.queries, s.dim);
            load(outs, g.dOut + queryBase * s.dim, start, s.queries, s.dim);
            __syncthreads();
            int query = start + lane;
            float logSum = query < s.queries ? g.logSums[queryBase + query] : 0.0f;
            float delta = query < s.queries ? g.deltas[queryBase + query] : 0.0f;
            for (int r = 0; r < 4; r++) {
                int row = warp * 4 + r, key = first + row;
                float score = 0, change = 0;
                for (int d = 0; d < s.dim; d++) {
                    score += queries[lane * (s.dim + 1) + d] * keys[row * s.dim + d];
                    change += outs[lane * (s.dim + 1) + d] * values[row * s.dim + d];
                }
                bool isSeen = query < s.queries && key < s.keys && key <= lastKey(s, query);
                float p = isSeen ? __expf(score * s.scale - logSum) : 0.0f;
                float slope = p * (change - delta) * s.scale;
                for (int j = 0; j < tile; j++) {
                    float share = __shfl_sync(0xffffffffu, p, j), tilt = __shfl_sync(0xffffffffu, slope, j);
                    for (int d = 0; d < perLane; d++)
                        if (d * 32 + lane < s.dim) {
                            dV[r][d] += share * outs[j * (s.dim + 1) + d * 32 + lane];
                            dK[r][d] += tilt * queries[j * (s.dim + 1) + d * 32 + lane];
                        }
                }
            }
        }
    }
    for (int r = 0; r < 4; r++) {
        int key = first + warp * 4 + r;
        if (key >= s.keys) continue;
        for (int d = 0; d < perLane; d++)
            if (d * 32 + lane < s.dim) {
                g.dK[(base + key) * s.dim + d * 32 + lane] = narrow<T>(dK[r][d]);
                g.dV[(base + key) * s.dim + d * 32 + lane] = narrow<T>(dV[r][d]);
            }
    }
}

template <class T> Task make(const orrery_cuda_call &call, const Device &device, const Shape &s) {
    size_t queryCount = size_t(s.batch) * s.heads * s.queries, keyCount = size_t(s.batch) * s.kvHeads * s.keys;
    size_t wide = queryCount * s.dim * sizeof(T), narrowBytes = keyCount * s.dim * sizeof(T), sums = queryCount * sizeof(float);
    bool isBackward = call.kind == ORRERY_CUDA_ATTENTION_BACKWARD;
    std::vector<size_t> bytes{wide, narrowBytes, narrowBytes, wide, sums};
    if (isBackward)
        for (size_t more : {wide, sums, wide, narrowBytes, narrowBytes}) bytes.push_back(more);
    auto operands = std::make_shared<Operands>(bytes, device.cache);
    operands->fill(0, call.dtype, queryCount * s.dim);
    operands->fill(1, call.dtype, keyCount * s.dim);
    operands->fill(2, call.dtype, keyCount * s.dim);
    if (isBackward) operands->fill(5, call.dtype, queryCount * s.dim);
    int rows = rowsOfBlock;
    size_t sharedBytes = sizeof(float) * size_t(2 * tile * (s.dim + 1) + 2 * rows * s.dim);
    for (auto kernel : {reinterpret_cast<const void *>(&forward<T>), reinterpret_cast<const void *>(&backwardQueries<T>),
                        reinterpret_cast<const void *>(&backwardKeys<T>)})
        check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(sharedBytes)), "shared memory");
    dim3 overQueries((s.queries + rows - 1) / rows, s.batch * s.heads), overKeys((s.keys + rows - 1) / rows, s.batch * s.kvHeads);
    auto go = [=](int set, cudaStream_t stream) {
        Operands &o = *operands;
        forward<T><<<overQueries, 128, sharedBytes, stream>>>(s, o.at<T>(set, 0), o.at<T>(set, 1), o.at<T>(set, 2), o.at<T>(set, 3),
                                                            o.at<float>(set, 4));
        checkLaunch("attention");
    };
    Task task;
    task.owner = operands;
    task.sets = operands->sets();
    if (!isBackward) {
        task.run = go;
        return task;
    }
    for (int set = 0; set < task.sets; set++) go(set, nullptr);
    task.run = [=](int set, cudaStream_t stream) {
        Operands &o = *operands;
        rowDots<T><<<unsigned((queryCount + 3) / 4), 128, 0, stream>>>(int(queryCount), s.dim, o.at<T>(set, 5), o.at<T>(set, 3), o.at<float>(set, 6));
        Gradients<T> g{o.at<T>(set, 0), o.at<T>(set, 1),     o.at<T>(set, 2), o.at<T>(set, 5), o.at<float>(set, 4),
                       o.at<float>(set, 6), o.at<T>(set, 7), o.at<T>(set, 8), o.at<T>(set, 9)};
        backwardQueries<T><<<overQueries, 128, sharedBytes, stream>>>(s, g);
        backwardKeys<T><<<overKeys, 128, sharedBytes, stream>>>(s, g);
        checkLaunch("attention backward");
    };
    return task;
}

} // namespace

Task makeAttention(const orrery_cuda_call &call, const Device &device) {
    need(call, 6);
    const int64_t *z = call.sizes;
    if (z[1] % z[2] != 0) throw Fault(ORRERY_CUDA_FAILED, "the query heads must be a multiple of the key heads");
    if (z[6] == 1 && z[4] < z[3]) throw Fault(ORRERY_CUDA_FAILED, "causal attention needs at least as many keys as queries");
    if (call.mode == 1) return makeCudnnAttention(call, device);
    if (z[5] > mostDim) throw Fault(ORRERY_CUDA_UNSUPPORTED, "heads of at most 256");
    if (z[0] * z[1] > 65535) throw Fault(ORRERY_CUDA_UNSUPPORTED, "at most 65,535 heads of all sequences");
    Shape s{int(z[0]), int(z[1]), int(z[2]), int(z[3]), int(z[4]), int(z[5]), z[6] == 1, 1 / sqrtf(float(z[5]))};
    return withType(call.dtype, [&](auto zero) { return make<decltype(zero)>(call, device, s); });
}

} // namespace orrery
