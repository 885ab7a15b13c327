// Kernels that reduce over rows: LayerNorm (arXiv:1607.06450), RMSNorm (arXiv:1910.07467), softmax, cross-entropy. A block for each row, sums in
// float32.
#include "task.h"

namespace orrery {
namespace {

constexpr int threads = 256;
constexpr float epsilon = 1e-5f;

/// statistics [rows][2]: mean (0 for RMSNorm) and inverse deviation.
template <class T, bool centres>
__global__ void norm(int width, const T *x, const T *gain, const T *bias, T *y, float *statistics) {
    const T *row = x + size_t(blockIdx.x) * width;
    float sum = 0, square = 0;
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        float value = wide(row[i]);
        sum += value;
        square += value * value;
    }
    float mean = centres ? blockReduce<false>(sum) / width : 0.0f;
    float inverse = rsqrtf(fmaxf(blockReduce<false>(square) / width - mean * mean, 0.0f) + epsilon);
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        float value = (wide(row[i]) - mean) * inverse * wide(gain[i]);
        y[size_t(blockIdx.x) * width + i] = narrow<T>(centres ? value + wide(bias[i]) : value);
    }
    if (threadIdx.x == 0) {
        statistics[2 * blockIdx.x] = mean;
        statistics[2 * blockIdx.x + 1] = inverse;
    }
}

template <class T, bool centres>
__global__ void normInputGradient(int width, const T *dy, const T *x, const T *gain, const float *statistics, T *dx) {
    size_t start = size_t(blockIdx.x) * width;
    float mean = statistics[2 * blockIdx.x], inverse = statistics[2 * blockIdx.x + 1];
    float sum = 0, product = 0;
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        float slope = wide(dy[start + i]) * wide(gain[i]);
        sum += slope;
        product += slope * (wide(x[start + i]) - mean) * inverse;
    }
    sum = centres ? blockReduce<false>(sum) / width : 0.0f;
    product = blockReduce<false>(product) / width;
    for (int i = threadIdx.x; i < width; i += blockDim.x) {
        float slope = wide(dy[start + i]) * wide(gain[i]);
        dx[start + i] = narrow<T>(inverse * (slope - sum - (wide(x[start + i]) - mean) * inverse * product));
    }
}

constexpr int rowsOfChunk = 64;

/// Adds the columns' sums of a chunk of rows.
template <class T>
__global__ void normGainGradient(int rows, int width, const T *dy, const T *x, const float *statistics, float *dGain, float *dBias) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= width) return;
    float gain = 0, bias = 0;
    int end = min(rows, int(blockIdx.y + 1) * rowsOfChunk);
    for (int row = blockIdx.y * rowsOfChunk; row < end; row++) {
        float slope = wide(dy[size_t(row) * width + column]);
        gain += slope * (wide(x[size_t(row) * width + column]) - statistics[2 * row]) * statistics[2 * row + 1];
        bias += slope;
    }
    atomicAdd(dGain + column, gain);
    if (dBias) atomicAdd(dBias + column, bias);
}

template <class T> __global__ void softmax(int width, const T *x, T *y) {
    const T *row = x + size_t(blockIdx.x) * width;
    float top = -INFINITY, sum = 0;
    for (int i = threadIdx.x; i < width; i += blockDim.x) top = fmaxf(top, wide(row[i]));
    top = blockReduce<true>(top);
    for (int i = threadIdx.x; i < width; i += blockDim.x) sum += __expf(wide(row[i]) - top);
    sum = blockReduce<false>(sum);
    for (int i = threadIdx.x; i < width; i += blockDim.x) y[size_t(blockIdx.x) * width + i] = narrow<T>(__expf(wide(row[i]) - top) / sum);
}

/// The gradient by the logits takes their place; losses [rows] in nats. Maximum and sum come from one pass (arXiv:1805.02867).
template <class T> __global__ void crossEntropy(int classes, T *logits, const int *labels, float *losses, float scale) {
    T *row = logits + size_t(blockIdx.x) * classes;
    float top = -INFINITY, sum = 0;
    for (int i = threadIdx.x; i < classes; i += blockDim.x) {
        float value = wide(row[i]);
        if (value > top) {
            sum = sum * __expf(top - value) + 1;
            top = value;
        } else if (top > -INFINITY) {
            sum += __expf(value - top);
        }
    }
    float highest = blockReduce<true>(top);
    sum = blockReduce<false>(top > -INFINITY ? sum * __expf(top - highest) : 0.0f);
    int label = labels[blockIdx.x];
    if (threadIdx.x == 0) losses[blockIdx.x] = __logf(sum) + highest - wide(row[label]);
    // Everybody reads the label's logit before it is overwritten.
    __syncthreads();
    for (int i = threadIdx.x; i < classes; i += blockDim.x) {
        float probability = __expf(wide(row[i]) - highest) / sum;
        row[i] = narrow<T>((probability - (i == label ? 1.0f : 0.0f)) * scale);
    }
}

__global__ void makeLabels(int rows, int classes, int *labels) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < rows) labels[row] = int((row * 2654435761u) % unsigned(classes));
}

template <class T, bool centres> Task makeNorm(const orrery_cuda_call &call, const Device &device, bool isBackward) {
    int rows = int(call.sizes[0]), width = int(call.sizes[1]);
    size_t full = size_t(rows) * width * sizeof(T), row = width * sizeof(T);
    // x, gain, bias, y or dy, statistics, dx, dGain, dBias
    auto o = std::make_shared<Operands>(
        std::vector<size_t>{full, row, row, full, rows * 2 * sizeof(float), isBackward ? full : 0, width * sizeof(float), width * sizeof(float)},
        device.cache);
    o->fill(0, call.dtype, size_t(rows) * width);
    o->fill(1, call.dtype, width);
    o->fill(2, call.dtype, width);
    auto forward = [=](int set, cudaStream_t stream) {
        norm<T, centres><<<rows, threads, 0, stream>>>(width, o->at<T>(set, 0), o->at<T>(set, 1), o->at<T>(set, 2), o->at<T>(set, 3),
                                                       o->at<float>(set, 4));
        checkLaunch("norm");
    };
    Task task{o, o->sets(), forward};
    if (!isBackward) return task;
    for (int set = 0; set < task.sets; set++) forward(set, nullptr);
    o->fill(3, call.dtype, size_t(rows) * width);
    task.run = [=](int set, cudaStream_t stream) {
        normInputGradient<T, centres><<<rows, threads, 0, stream>>>(width, o->at<T>(set, 3), o->at<T>(set, 0), o->at<T>(set, 1),
                                                                    o->at<float>(set, 4), o->at<T>(set, 5));
        dim3 grid((width + threads - 1) / threads, (rows + rowsOfChunk - 1) / rowsOfChunk);
        normGainGradient<T><<<grid, threads, 0, stream>>>(rows, width, o->at<T>(set, 3), o->at<T>(set, 0), o->at<float>(set, 4),
                                                          o->at<float>(set, 6), centres ? o->at<float>(set, 7) : nullptr);
        checkLaunch("norm backward");
    };
    return task;
}

} // namespace

Task makeRows(const orrery_cuda_call &call, const Device &device) {
    need(call, 2);
    if (call.sizes[0] > (1 << 22) || call.sizes[1] > (1 << 24)) throw Fault(ORRERY_CUDA_UNSUPPORTED, "at most 2^22 rows of 2^24");
    int rows = int(call.sizes[0]), width = int(call.sizes[1]);
    return withType(call.dtype, [&](auto zero) -> Task {
        using T = decltype(zero);
        switch (call.kind) {
        case ORRERY_CUDA_LAYERNORM: return makeNorm<T, true>(call, device, false);
        case ORRERY_CUDA_LAYERNORM_BACKWARD: return makeNorm<T, true>(call, device, true);
        case ORRERY_CUDA_RMSNORM: return makeNorm<T, false>(call, device, false);
        case ORRERY_CUDA_RMSNORM_BACKWARD: return makeNorm<T, false>(call, device, true);
        default: break;
        }
        size_t full = size_t(rows) * width * sizeof(T);
        bool isLoss = call.kind == ORRERY_CUDA_CROSS_ENTROPY;
        auto o = std::make_shared<Operands>(std::vector<size_t>{full, isLoss ? rows * sizeof(int) : full, rows * sizeof(float)}, device.cache);
        o->fill(0, call.dtype, size_t(rows) * width);
        if (!isLoss)
            return Task{o, o->sets(), [=](int set, cudaStream_t stream) {
                            softmax<T><<<rows, threads, 0, stream>>>(width, o->at<T>(set, 0), o->at<T>(set, 1));
                            checkLaunch("softmax");
                        }};
        for (int set = 0; set < o->sets(); set++) makeLabels<<<(rows + 255) / 256, 256>>>(rows, width, o->at<int>(set, 1));
        checkLaunch("labels");
        return Task{o, o->sets(), [=](int set, cudaStream_t stream) {
                        crossEntropy<T><<<rows, width >= 8192 ? 1024 : threads, 0, stream>>>(width, o->at<T>(set, 0), o->at<int>(set, 1),
                                                                                          o->at<float>(set, 2), 1.0f / rows);
                        checkLaunch("cross entropy");
                    }};
    });
}

} // namespace orrery
