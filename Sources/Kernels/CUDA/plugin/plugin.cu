// The plug-in's C functions (orrery_cuda.h): devices, timing, memory.
#include <dlfcn.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "task.h"

namespace orrery {

namespace {

thread_local std::string lastError = "no error";

/// Every function of the ABI ends in a code, never in an exception.
template <class Body> int32_t guarded(Body body) {
    try {
        body();
        return ORRERY_CUDA_OK;
    } catch (const Fault &fault) {
        lastError = fault.what();
        return fault.code;
    } catch (const std::bad_alloc &) {
        lastError = "no host memory";
        return ORRERY_CUDA_MEMORY;
    } catch (const std::exception &error) {
        lastError = error.what();
        return ORRERY_CUDA_FAILED;
    }
}

template <class T> void checkSize(const T *value, const char *name) {
    if (!value) throw Fault(ORRERY_CUDA_FAILED, std::string(name) + " is missing");
    if (value->size != sizeof(T)) throw Fault(ORRERY_CUDA_FAILED, std::string(name) + " is of another version of the plug-in");
}

int attribute(cudaDeviceAttr which, int device) {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
    return value;
}

/// NVIDIA's management library, where it is there: clocks, temperature, power.
class Sensors {
public:
    Sensors() {
        library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
        if (!library) return;
        auto start = find<int (*)()>("nvmlInit_v2");
        byBus = find<int (*)(const char *, void **)>("nvmlDeviceGetHandleByPciBusId_v2");
        clock = find<int (*)(void *, int, unsigned *)>("nvmlDeviceGetClockInfo");
        temperature = find<int (*)(void *, int, unsigned *)>("nvmlDeviceGetTemperature");
        power = find<int (*)(void *, unsigned *)>("nvmlDeviceGetPowerUsage");
        isReady = start && byBus && start() == 0;
    }
    void read(int device, orrery_cuda_timing &timing) {
        char bus[32];
        void *handle = nullptr;
        if (!isReady || cudaDeviceGetPCIBusId(bus, sizeof bus, device) != cudaSuccess || byBus(bus, &handle) != 0) return;
        unsigned value = 0;
        // 1 is the clock of the multiprocessors, in MHz; 0 the sensor of the GPU.
        if (clock && clock(handle, 1, &value) == 0) timing.clock_hz = value * 1e6;
        if (temperature && temperature(handle, 0, &value) == 0) timing.temperature_c = value;
        if (power && power(handle, &value) == 0) timing.watts = value / 1e3;
    }

private:
    void *library = nullptr;
    bool isReady = false;
    int (*byBus)(const char *, void **) = nullptr;
    int (*clock)(void *, int, unsigned *) = nullptr;
    int (*temperature)(void *, int, unsigned *) = nullptr;
    int (*power)(void *, unsigned *) = nullptr;
    template <class F> F find(const char *name) { return reinterpret_cast<F>(dlsym(library, name)); }
};

template <class T> __global__ void fillRandom(size_t n, T *x, uint64_t seed) {
    for (size_t i = blockIdx.x * size_t(blockDim.x) + threadIdx.x; i < n; i += size_t(gridDim.x) * blockDim.x) {
        // SplitMix64 (Steele, Lea, Flood 2014).
        uint64_t z = (i + 1) * 0x9E3779B97F4A7C15ull + seed;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        float value = float((z ^ (z >> 31)) >> 40) * 0x1p-23f - 1;
        if constexpr (std::is_same_v<T, int8_t>)
            x[i] = int8_t(value * 127);
        else
            x[i] = T(value);
    }
}

/// What a collective's kernel does to the GPU beside a product: some blocks that copy until they are told to stop.
__global__ void copyUntil(float4 *to, const float4 *from, size_t count, const volatile int *stop) {
    while (!*stop)
        for (size_t i = blockIdx.x * size_t(blockDim.x) + threadIdx.x; i < count && !*stop; i += size_t(gridDim.x) * blockDim.x) to[i] = from[i];
}

class Neighbour {
public:
    Neighbour(int blocks) {
        if (blocks < 1) return;
        size_t bytes = size_t(64) << 20;
        memory = Memory(2 * bytes);
        check(cudaHostAlloc(reinterpret_cast<void **>(&stop), sizeof(int), cudaHostAllocMapped), "cudaHostAlloc");
        *stop = 0;
        int *seen = nullptr;
        check(cudaHostGetDevicePointer(reinterpret_cast<void **>(&seen), stop, 0), "cudaHostGetDevicePointer");
        check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
        copyUntil<<<blocks, 512, 0, stream>>>(memory.as<float4>(), memory.as<float4>() + bytes / 16, bytes / 16, seen);
        checkLaunch("neighbour");
    }
    Neighbour(const Neighbour &) = delete;
    ~Neighbour() {
        if (stop) *reinterpret_cast<volatile int *>(stop) = 1;
        if (stream) {
            cudaStreamSynchronize(stream);
            cudaStreamDestroy(stream);
        }
        if (stop) cudaFreeHost(stop);
    }

private:
    Memory memory;
    int *stop = nullptr;
    cudaStream_t stream = nullptr;
};

struct Stream {
    cudaStream_t stream = nullptr;
    cudaEvent_t begin = nullptr, end = nullptr;
    Stream() {
        check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
        check(cudaEventCreate(&begin), "cudaEventCreate");
        check(cudaEventCreate(&end), "cudaEventCreate");
    }
    Stream(const Stream &) = delete;
    ~Stream() {
        if (begin) cudaEventDestroy(begin);
        if (end) cudaEventDestroy(end);
        if (stream) cudaStreamDestroy(stream);
    }
    /// Seconds of `count` calls one after the other.
    double time(const Task &task, int &set, int count) {
        check(cudaEventRecord(begin, stream), "cudaEventRecord");
        for (int i = 0; i < count; i++) {
            task.run(set, stream);
            set = (set + 1) % task.sets;
        }
        check(cudaEventRecord(end, stream), "cudaEventRecord");
        check(cudaEventSynchronize(end), "the call");
        float milliseconds = 0;
        check(cudaEventElapsedTime(&milliseconds, begin, end), "cudaEventElapsedTime");
        return milliseconds * 1e-3;
    }
};

Task make(const orrery_cuda_call &call, const Device &device) {
    switch (call.kind) {
    case ORRERY_CUDA_GEMM: return makeGEMM(call, device);
    case ORRERY_CUDA_ATTENTION:
    case ORRERY_CUDA_ATTENTION_BACKWARD: return makeAttention(call, device);
    case ORRERY_CUDA_LAYERNORM:
    case ORRERY_CUDA_LAYERNORM_BACKWARD:
    case ORRERY_CUDA_RMSNORM:
    case ORRERY_CUDA_RMSNORM_BACKWARD:
    case ORRERY_CUDA_SOFTMAX:
    case ORRERY_CUDA_CROSS_ENTROPY: return makeRows(call, device);
    case ORRERY_CUDA_ADAMW:
    case ORRERY_CUDA_SUM_SQUARES:
    case ORRERY_CUDA_ELEMENTWISE:
    case ORRERY_CUDA_GATHER:
    case ORRERY_CUDA_SCATTER_ADD: return makeElements(call, device);
    case ORRERY_CUDA_TOP_K: return makeTopK(call, device);
    case ORRERY_CUDA_QUANTISE: return makeQuantise(call, device);
    case ORRERY_CUDA_COPY: return makeTransfer(call, device);
    case ORRERY_CUDA_LAUNCH: return makeLaunch(call, device);
    default: throw Fault(ORRERY_CUDA_UNSUPPORTED, "a call of kind " + std::to_string(call.kind));
    }
}

/// Half the width of the 95 % interval of the median by order statistics, relative; `sorted` ascending.
double halfWidth(const std::vector<double> &sorted) {
    double n = double(sorted.size()), deviation = 1.96 * std::sqrt(n) / 2;
    size_t low = size_t(std::max(0.0, std::floor(n / 2 - deviation)));
    size_t high = std::min(sorted.size() - 1, size_t(std::ceil(n / 2 + deviation)));
    return (sorted[high] - sorted[low]) / 2 / sorted[sorted.size() / 2];
}

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void timeCall(int32_t index, const orrery_cuda_call &call, const orrery_cuda_rule &rule, orrery_cuda_timing &result) {
    check(cudaSetDevice(index), "cudaSetDevice");
    Device device{index, attribute(cudaDevAttrMultiProcessorCount, index), size_t(attribute(cudaDevAttrL2CacheSize, index))};
    Task task = make(call, device);
    check(cudaDeviceSynchronize(), "preparation");
    Stream stream;
    int set = 0;
    for (int i = 0; i < 3; i++) stream.time(task, set, 1);
    // A lap lasts at least 200 microseconds (or one call), so that the events' own time does not count.
    double one = stream.time(task, set, 4) / 4;
    int batch = int(std::min(256.0, std::max(1.0, std::ceil(200e-6 / std::max(one, 1e-7)))));
    if (call.kind == ORRERY_CUDA_LAUNCH) batch = 1;
    for (double begin = seconds(); rule.sustain > 0 && seconds() - begin < rule.sustain;) stream.time(task, set, batch);
    Neighbour neighbour(call.beside);
    std::vector<double> laps;
    static Sensors sensors;
    double begin = seconds();
    size_t next = size_t(std::max(2, rule.least));
    while (laps.size() < size_t(std::max(1, rule.most))) {
        laps.push_back(stream.time(task, set, batch) / batch);
        if (laps.size() >= next) {
            std::sort(laps.begin(), laps.end());
            if (halfWidth(laps) <= rule.half_width) break;
            next = laps.size() + std::max<size_t>(1, laps.size() / 8);
        }
        if (laps.size() >= size_t(rule.least) && seconds() - begin > rule.seconds) break;
    }
    sensors.read(index, result);
    std::sort(laps.begin(), laps.end());
    size_t n = laps.size();
    double mean = 0, square = 0;
    for (double lap : laps) mean += lap / n;
    for (double lap : laps) square += (lap - mean) * (lap - mean);
    result.median = n % 2 ? laps[n / 2] : (laps[n / 2 - 1] + laps[n / 2]) / 2;
    result.spread = n > 1 ? std::sqrt(square / (n - 1)) / result.median : 0;
    result.p99 = laps[std::min(n - 1, size_t(std::ceil(0.99 * n)) - 1)];
    result.least = laps[0];
    result.repeats = int64_t(n);
}

} // namespace

Operands::Operands(const std::vector<size_t> &bytes, size_t cache) {
    for (size_t count : bytes) {
        starts_.push_back(stride_);
        stride_ += (count + 255) / 256 * 256;
    }
    stride_ = std::max<size_t>(stride_, 256);
    size_t wanted = std::max<size_t>(1, std::min<size_t>(64, 2 * cache / stride_ + 1));
    size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    if (stride_ > free) throw Fault(ORRERY_CUDA_MEMORY, std::to_string(stride_) + " bytes of operands, " + std::to_string(free) + " are free");
    sets_ = int(std::max<size_t>(1, std::min(wanted, free / 2 / stride_)));
    memory_ = Memory(stride_ * sets_);
    check(cudaMemset(memory_.as<void>(), 0, memory_.bytes()), "cudaMemset");
}

void Operands::fill(int operand, int32_t dtype, size_t count) {
    for (int set = 0; set < sets_; set++) {
        uint64_t seed = 1 + uint64_t(operand) * 131 + set;
        switch (dtype) {
        case ORRERY_CUDA_FP32:
        case ORRERY_CUDA_TF32: fillRandom<<<1024, 256>>>(count, at<float>(set, operand), seed); break;
        case ORRERY_CUDA_FP16: fillRandom<<<1024, 256>>>(count, at<__half>(set, operand), seed); break;
        case ORRERY_CUDA_BF16: fillRandom<<<1024, 256>>>(count, at<__nv_bfloat16>(set, operand), seed); break;
        case ORRERY_CUDA_E4M3: fillRandom<<<1024, 256>>>(count, at<__nv_fp8_e4m3>(set, operand), seed); break;
        default: fillRandom<<<1024, 256>>>(count, at<int8_t>(set, operand), seed); break;
        }
        checkLaunch("operands");
    }
}

} // namespace orrery

using namespace orrery;

extern "C" {

int32_t orrery_cuda_abi(void) { return ORRERY_CUDA_ABI; }

const char *orrery_cuda_error(void) { return lastError.c_str(); }

int32_t orrery_cuda_device_count(int32_t *count) {
    return guarded([&] {
        int found = 0;
        check(cudaGetDeviceCount(&found), "cudaGetDeviceCount");
        *count = found;
    });
}

int32_t orrery_cuda_device_query(int32_t device, orrery_cuda_device *result) {
    return guarded([&] {
        checkSize(result, "the device");
        cudaDeviceProp properties;
        check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
        check(cudaSetDevice(device), "cudaSetDevice");
        size_t free = 0, total = 0;
        check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
        int runtime = 0;
        check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
        std::string libraries = "CUDA " + std::to_string(runtime / 1000) + "." + std::to_string(runtime % 1000 / 10) + ", " + gemmLibrary();
        strncpy(result->name, properties.name, sizeof result->name - 1);
        strncpy(result->libraries, libraries.c_str(), sizeof result->libraries - 1);
        result->major = properties.major;
        result->minor = properties.minor;
        result->units = properties.multiProcessorCount;
        result->memory_bytes = double(total);
        result->free_bytes = double(free);
        result->cache_bytes = double(properties.l2CacheSize);
    });
}

int32_t orrery_cuda_time(int32_t device, const orrery_cuda_call *call, const orrery_cuda_rule *rule, orrery_cuda_timing *result) {
    return guarded([&] {
        checkSize(call, "the call");
        checkSize(rule, "the rule");
        checkSize(result, "the timing");
        timeCall(device, *call, *rule, *result);
    });
}

int32_t orrery_cuda_alloc(int32_t device, uint64_t bytes, void **memory) {
    return guarded([&] {
        check(cudaSetDevice(device), "cudaSetDevice");
        check(cudaMalloc(memory, bytes), "cudaMalloc");
    });
}

int32_t orrery_cuda_free(int32_t device, void *memory) {
    return guarded([&] {
        check(cudaSetDevice(device), "cudaSetDevice");
        check(cudaFree(memory), "cudaFree");
    });
}

int32_t orrery_cuda_copy(int32_t device, void *target, const void *source, uint64_t bytes, int32_t direction) {
    return guarded([&] {
        if (direction < 0 || direction > 2) throw Fault(ORRERY_CUDA_FAILED, "a copy in direction " + std::to_string(direction));
        const cudaMemcpyKind kinds[] = {cudaMemcpyDeviceToDevice, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost};
        check(cudaSetDevice(device), "cudaSetDevice");
        check(cudaMemcpy(target, source, bytes, kinds[direction]), "cudaMemcpy");
    });
}

} // extern "C"
