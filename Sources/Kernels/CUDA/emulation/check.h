// What the checks share: a prepared call with its operands, whose gaps are poisoned for the address sanitizer, and comparisons.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include "runtime.h"
#include "task.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, bytes)
#define ASAN_UNPOISON_MEMORY_REGION(start, bytes)
#endif

namespace check {

using namespace orrery;
using std::string;
using std::vector;

inline int checks = 0, failures = 0;
inline string now;

inline void expect(bool holds, const string &what) {
    checks++;
    if (holds) return;
    failures++;
    if (failures <= 40) printf("FAILED %s: %s\n", now.c_str(), what.c_str());
}

inline const Device device{0, 2, 1};

inline orrery_cuda_call callOf(int kind, int dtype, vector<int64_t> sizes, int mode = 0, int out = ORRERY_CUDA_FP32, int layout = 0) {
    orrery_cuda_call call = {};
    call.size = sizeof call;
    call.kind = kind;
    call.dtype = dtype;
    call.out = out;
    call.layout = layout;
    call.mode = mode;
    for (size_t i = 0; i < sizes.size(); i++) call.sizes[i] = sizes[i];
    return call;
}

inline double valueAt(const void *from, int dtype, size_t i) {
    switch (dtype) {
    case ORRERY_CUDA_FP16: return double(float(static_cast<const __half *>(from)[i]));
    case ORRERY_CUDA_BF16: return double(float(static_cast<const __nv_bfloat16 *>(from)[i]));
    case ORRERY_CUDA_E4M3: return double(float(static_cast<const __nv_fp8_e4m3 *>(from)[i]));
    case ORRERY_CUDA_INT8: return static_cast<const int8_t *>(from)[i];
    default: return static_cast<const float *>(from)[i];
    }
}

/// Half a unit in the last place of a format, relative, and what float32 arithmetic adds.
inline double roundingOf(int dtype) {
    switch (dtype) {
    case ORRERY_CUDA_FP16: return 0x1p-11;
    case ORRERY_CUDA_BF16: return 0x1p-8;
    case ORRERY_CUDA_E4M3: return 0x1p-4;
    default: return 0x1p-24;
    }
}

/// The operands of a prepared call: where they begin follows from their sizes, as the plug-in lays them out.
class Prepared {
public:
    Prepared(Task task, vector<size_t> bytes) : task(std::move(task)), memory(static_cast<char *>(emulated::latestMemory())), bytes(std::move(bytes)) {
        size_t at = 0;
        for (size_t count : this->bytes) {
            starts.push_back(at);
            size_t next = at + (count + 255) / 256 * 256;
            if (next > at + count) ASAN_POISON_MEMORY_REGION(memory + at + count, next - at - count);
            at = next;
        }
        total = at;
    }
    Prepared(const Prepared &) = delete;
    ~Prepared() { ASAN_UNPOISON_MEMORY_REGION(memory, total); }
    vector<double> read(int operand, int dtype, size_t count) const {
        vector<double> values(count);
        for (size_t i = 0; i < count; i++) values[i] = valueAt(memory + starts[operand], dtype, i);
        return values;
    }
    template <class T> const T *at(int operand) const { return reinterpret_cast<const T *>(memory + starts[operand]); }
    template <class T> T *at(int operand) { return reinterpret_cast<T *>(memory + starts[operand]); }
    void run() { task.run(0, nullptr); }

private:
    Task task;
    char *memory;
    vector<size_t> bytes, starts;
    size_t total = 0;
};

/// |found - expected| within `slack` of the values' scale, element by element, and the format's rounding.
inline void compare(const vector<double> &found, const vector<double> &expected, int dtype, double slack, const string &what) {
    double scale = 1e-6;
    for (double x : expected) scale = std::max(scale, std::fabs(x));
    for (size_t i = 0; i < expected.size(); i++) {
        double error = std::fabs(found[i] - expected[i]), limit = 1.01 * roundingOf(dtype) * std::fabs(expected[i]) + slack * scale;
        // Subnormal halves and bytes are coarser.
        if (dtype == ORRERY_CUDA_FP16) limit += 0x1p-25;
        if (dtype == ORRERY_CUDA_E4M3) limit += 0x1p-10;
        if (!(error <= limit)) {
            char text[160];
            snprintf(text, sizeof text, "%s[%zu] of %zu is %.9g, not %.9g", what.c_str(), i, expected.size(), found[i], expected[i]);
            return expect(false, text);
        }
    }
    expect(true, what);
}

inline string shapeText(const char *name, int dtype, const vector<int64_t> &sizes, int mode) {
    static const char *names[] = {"fp32", "tf32", "fp16", "bf16", "e4m3", "int8"};
    string text = string(name) + " " + names[dtype] + " mode " + std::to_string(mode);
    for (int64_t size : sizes) text += " " + std::to_string(size);
    return text;
}

inline const vector<int> formats{ORRERY_CUDA_FP32, ORRERY_CUDA_FP16, ORRERY_CUDA_BF16};

void rows(int dtype);
void elements(int dtype);
void products(int dtype);

} // namespace check
