// Every kernel of the plug-in against a plain computation in double precision, at many shapes and orders of threads. Built for the CPU by
// `make cuda-emulated`, with the address sanitizer; the gaps between operands are poisoned, so that a step beyond one is seen.
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

using namespace orrery;
using std::string;
using std::vector;

namespace {

int checks = 0, failures = 0;
string now;

void expect(bool holds, const string &what) {
    checks++;
    if (holds) return;
    failures++;
    if (failures <= 40) printf("FAILED %s: %s\n", now.c_str(), what.c_str());
}

const Device device{0, 2, 1};

orrery_cuda_call callOf(int kind, int dtype, vector<int64_t> sizes, int mode = 0, int out = ORRERY_CUDA_FP32, int layout = 0) {
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

double valueAt(const void *from, int dtype, size_t i) {
    switch (dtype) {
    case ORRERY_CUDA_FP16: return double(float(static_cast<const __half *>(from)[i]));
    case ORRERY_CUDA_BF16: return double(float(static_cast<const __nv_bfloat16 *>(from)[i]));
    case ORRERY_CUDA_E4M3: return double(float(static_cast<const __nv_fp8_e4m3 *>(from)[i]));
    case ORRERY_CUDA_INT8: return static_cast<const int8_t *>(from)[i];
    default: return static_cast<const float *>(from)[i];
    }
}

/// Half a unit in the last place of a format, relative, and what float32 arithmetic adds.
double roundingOf(int dtype) {
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
void compare(const vector<double> &found, const vector<double> &expected, int dtype, double slack, const string &what) {
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

string shapeText(const char *name, int dtype, const vector<int64_t> &sizes, int mode) {
    static const char *names[] = {"fp32", "tf32", "fp16", "bf16", "e4m3", "int8"};
    string text = string(name) + " " + names[dtype] + " mode " + std::to_string(mode);
    for (int64_t size : sizes) text += " " + std::to_string(size);
    return text;
}

const vector<int> formats{ORRERY_CUDA_FP32, ORRERY_CUDA_FP16, ORRERY_CUDA_BF16};

// MARK: Rows

void checkNorms(int dtype, int64_t rows, int64_t width) {
    size_t one = bytesOf(dtype), n = size_t(rows * width), row = size_t(width) * one, sums = size_t(width) * 4;
    for (bool centres : {true, false}) {
        for (bool isBackward : {false, true}) {
            int kind = centres ? isBackward ? ORRERY_CUDA_LAYERNORM_BACKWARD : ORRERY_CUDA_LAYERNORM
                               : isBackward ? ORRERY_CUDA_RMSNORM_BACKWARD : ORRERY_CUDA_RMSNORM;
            now = shapeText(centres ? "layer norm" : "RMS norm", dtype, {rows, width}, isBackward);
            Prepared p(makeRows(callOf(kind, dtype, {rows, width}), device), {n * one, row, row, n * one, size_t(rows) * 8, isBackward ? n * one : 0, sums, sums});
            auto x = p.read(0, dtype, n), gain = p.read(1, dtype, width), bias = p.read(2, dtype, width);
            auto before = isBackward ? p.read(6, ORRERY_CUDA_FP32, width) : vector<double>();
            p.run();
            vector<double> y(n), dx(n), dGain(width), dBias(width), statistics;
            auto dy = p.read(3, dtype, n);
            for (int64_t r = 0; r < rows; r++) {
                const double *in = x.data() + r * width;
                double mean = 0, square = 0, product = 0, sum = 0;
                for (int64_t i = 0; i < width; i++) mean += in[i] / width;
                if (!centres) mean = 0;
                for (int64_t i = 0; i < width; i++) square += (in[i] - mean) * (in[i] - mean) / width;
                double inverse = 1 / std::sqrt(square + 1e-5);
                statistics.push_back(mean);
                statistics.push_back(inverse);
                for (int64_t i = 0; i < width; i++) {
                    double normal = (in[i] - mean) * inverse, slope = dy[r * width + i] * gain[i];
                    y[r * width + i] = normal * gain[i] + (centres ? bias[i] : 0);
                    sum += centres ? slope / width : 0;
                    product += slope * normal / width;
                    dGain[i] += dy[r * width + i] * normal;
                    dBias[i] += dy[r * width + i];
                }
                for (int64_t i = 0; i < width; i++) {
                    double normal = (in[i] - mean) * inverse;
                    dx[r * width + i] = inverse * (dy[r * width + i] * gain[i] - sum - normal * product);
                }
            }
            // A row of one element has the variance 0: what is lost in E[x^2] - mean^2 is large against epsilon.
            double slack = width == 1 ? 2e-2 : 2e-4;
            if (!isBackward) {
                compare(p.read(3, dtype, n), y, dtype, slack, "y");
                if (width > 1) compare(p.read(4, ORRERY_CUDA_FP32, 2 * rows), statistics, ORRERY_CUDA_FP32, slack, "statistics");
            } else if (width > 1) {
                compare(p.read(5, dtype, n), dx, dtype, slack, "dx");
                compare(p.read(6, ORRERY_CUDA_FP32, width), dGain, ORRERY_CUDA_FP32, slack, "dGain");
                if (centres) compare(p.read(7, ORRERY_CUDA_FP32, width), dBias, ORRERY_CUDA_FP32, slack, "dBias");
            }
        }
    }
}

void checkSoftmax(int dtype, int64_t rows, int64_t width) {
    size_t one = bytesOf(dtype), n = size_t(rows * width);
    for (bool isLoss : {false, true}) {
        now = shapeText(isLoss ? "cross entropy" : "softmax", dtype, {rows, width}, 0);
        Prepared p(makeRows(callOf(isLoss ? ORRERY_CUDA_CROSS_ENTROPY : ORRERY_CUDA_SOFTMAX, dtype, {rows, width}), device),
                   {n * one, isLoss ? rows * 4 : n * one, size_t(rows) * 4});
        auto x = p.read(0, dtype, n);
        p.run();
        vector<double> y(n), losses;
        for (int64_t r = 0; r < rows; r++) {
            double sum = 0;
            for (int64_t i = 0; i < width; i++) sum += std::exp(x[r * width + i]);
            int label = isLoss ? p.at<int>(1)[r] : -1;
            for (int64_t i = 0; i < width; i++) {
                double share = std::exp(x[r * width + i]) / sum;
                y[r * width + i] = isLoss ? (share - (i == label)) / rows : share;
            }
            if (isLoss) losses.push_back(std::log(sum) - x[r * width + label]);
        }
        compare(p.read(isLoss ? 0 : 1, dtype, n), y, dtype, 1e-5, "y");
        if (isLoss) compare(p.read(2, ORRERY_CUDA_FP32, rows), losses, ORRERY_CUDA_FP32, 1e-5, "losses");
    }
}

// MARK: Elements

void checkElements(int dtype, int64_t count) {
    size_t one = bytesOf(dtype), n = size_t(count);
    {
        now = shapeText("adamw", dtype, {count}, 0);
        Prepared p(makeElements(callOf(ORRERY_CUDA_ADAMW, dtype, {count}), device), {n * 4, n * 4, n * 4, n * 4, n * one});
        auto parameters = p.read(0, ORRERY_CUDA_FP32, n), gradient = p.read(3, ORRERY_CUDA_FP32, n);
        p.run();
        vector<double> expected(n), first(n), second(n);
        for (size_t i = 0; i < n; i++) {
            first[i] = 0.1 * gradient[i];
            second[i] = 0.05 * gradient[i] * gradient[i];
            expected[i] = parameters[i] * (1 - 1e-7) - 1e-6 * first[i] / (std::sqrt(second[i]) + 1e-8);
        }
        compare(p.read(0, ORRERY_CUDA_FP32, n), expected, ORRERY_CUDA_FP32, 1e-6, "parameters");
        compare(p.read(1, ORRERY_CUDA_FP32, n), first, ORRERY_CUDA_FP32, 1e-6, "first moment");
        compare(p.read(2, ORRERY_CUDA_FP32, n), second, ORRERY_CUDA_FP32, 1e-6, "second moment");
        compare(p.read(4, dtype, n), expected, dtype, 1e-6, "copy");
    }
    {
        now = shapeText("sum of squares", dtype, {count}, 0);
        Prepared p(makeElements(callOf(ORRERY_CUDA_SUM_SQUARES, dtype, {count}), device), {n * one, 4});
        double sum = 0;
        for (double x : p.read(0, dtype, n)) sum += x * x;
        p.run();
        compare(p.read(1, ORRERY_CUDA_FP32, 1), {sum}, ORRERY_CUDA_FP32, 1e-5, "sum");
    }
    size_t even = n + n % 2;
    for (int mode = 0; mode <= 6; mode++) {
        now = shapeText("elementwise", dtype, {count}, mode);
        bool hasSecond = mode == 0 || mode == 2 || mode == 3 || mode == 5;
        Prepared p(makeElements(callOf(ORRERY_CUDA_ELEMENTWISE, dtype, {count}, mode), device), {even * one, hasSecond ? even * one : 0, even * one});
        auto x = p.read(0, dtype, even), z = hasSecond ? p.read(1, dtype, even) : vector<double>(even);
        p.run();
        auto found = p.read(2, dtype, even);
        vector<double> y(even);
        size_t kept = 0;
        for (size_t i = 0; i < even; i++) {
            double a = x[i], u = 0.7978845608 * (a + 0.044715 * a * a * a), t = std::tanh(u);
            switch (mode) {
            case 0: y[i] = a + z[i]; break;
            case 1: y[i] = 0.5 * a * (1 + t); break;
            case 2: y[i] = z[i] * (0.5 * (1 + t) + 0.5 * a * (1 - t * t) * 0.7978845608 * (1 + 3 * 0.044715 * a * a)); break;
            case 3: y[i] = a / (1 + std::exp(-a)) * z[i]; break;
            case 4:
                kept += found[i] != 0;
                y[i] = found[i] != 0 ? a / 0.9 : 0;
                break;
            case 5: y[i] = i % 2 ? a * std::cos(z[i / 2]) + x[i - 1] * std::sin(z[i / 2]) : a * std::cos(z[i / 2]) - x[i + 1] * std::sin(z[i / 2]); break;
            default: y[i] = a / 2;
            }
        }
        compare(found, y, dtype, 1e-6, "y");
        if (mode == 4 && even > 1000) expect(std::fabs(double(kept) / even - 0.9) < 0.03, "dropout keeps nine in ten");
    }
}

void checkTable(int dtype, int64_t rows, int64_t width, int64_t tableRows) {
    size_t one = bytesOf(dtype), n = size_t(rows * width), table = size_t(tableRows * width);
    for (bool adds : {false, true}) {
        now = shapeText(adds ? "scatter add" : "gather", dtype, {rows, width, tableRows}, 0);
        Prepared p(makeElements(callOf(adds ? ORRERY_CUDA_SCATTER_ADD : ORRERY_CUDA_GATHER, dtype, {rows, width, tableRows}), device),
                   {table * (adds ? 4 : one), size_t(rows) * 4, n * one});
        auto kept = p.read(0, adds ? int(ORRERY_CUDA_FP32) : dtype, table), x = p.read(2, dtype, n);
        p.run();
        for (int64_t r = 0; r < rows; r++) {
            int to = p.at<int>(1)[r];
            expect(to >= 0 && to < tableRows, "a row of the table");
            for (int64_t i = 0; i < width; i++) {
                if (adds)
                    kept[to * width + i] += x[r * width + i];
                else
                    x[r * width + i] = kept[to * width + i];
            }
        }
        if (adds)
            compare(p.read(0, ORRERY_CUDA_FP32, table), kept, ORRERY_CUDA_FP32, 1e-6, "table");
        else
            compare(p.read(2, dtype, n), x, dtype, 0, "rows");
    }
}

void checkTopK(int dtype, int64_t count, int64_t kept) {
    now = shapeText("top-k", dtype, {count, kept}, 0);
    size_t one = bytesOf(dtype);
    Prepared p(makeTopK(callOf(ORRERY_CUDA_TOP_K, dtype, {count, kept}), device), {count * one, size_t(kept) * 4, kept * one, 16, 2048 * 4});
    auto x = p.read(0, dtype, count);
    p.run();
    auto values = p.read(2, dtype, kept);
    vector<double> sizes, found;
    vector<bool> isTaken(count);
    for (double value : x) sizes.push_back(std::fabs(value));
    std::sort(sizes.rbegin(), sizes.rend());
    sizes.resize(kept);
    bool areOwn = true;
    for (int64_t i = 0; i < kept; i++) {
        unsigned position = p.at<unsigned>(1)[i];
        if (position >= count || isTaken[position] || x[position] != values[i]) {
            areOwn = false;
            break;
        }
        isTaken[position] = true;
        found.push_back(std::fabs(values[i]));
    }
    expect(areOwn, "positions are different and hold the values");
    if (!areOwn) return;
    std::sort(found.rbegin(), found.rend());
    expect(found == sizes, "the largest magnitudes");
}

void checkQuantise(int dtype, int out, int64_t rows, int64_t width) {
    size_t one = bytesOf(dtype), n = size_t(rows * width);
    double largest = out == ORRERY_CUDA_E4M3 ? 448 : 127;
    for (int mode = 0; mode <= 4; mode++) {
        now = shapeText(out == ORRERY_CUDA_E4M3 ? "quantise to fp8" : "quantise to int8", dtype, {rows, width}, mode);
        size_t runs = mode == 2 ? rows : mode == 3 ? (n + 127) / 128 : 1;
        Prepared p(makeQuantise(callOf(ORRERY_CUDA_QUANTISE, dtype, {rows, width}, mode, out), device), {n * one, n, runs * 4, 4, mode == 4 ? n : 0});
        if (mode != 2 && mode != 3) *p.at<float>(2) = 1.5f; // a magnitude known beforehand
        auto x = p.read(0, dtype, n);
        p.run();
        auto y = p.read(1, out, n), scales = p.read(2, ORRERY_CUDA_FP32, runs);
        vector<double> expected(n), turned(n), tops(runs);
        double top = 0;
        for (double value : x) top = std::max(top, std::fabs(value));
        size_t length = mode == 2 ? width : 128;
        for (size_t i = 0; i < n; i++) tops[mode == 2 || mode == 3 ? i / length : 0] = std::max(tops[mode == 2 || mode == 3 ? i / length : 0], std::fabs(x[i]));
        for (size_t i = 0; i < n; i++) {
            double magnitude = mode == 2 || mode == 3 ? tops[i / length] : mode == 1 ? top : 1.5;
            double value = x[i] * largest / std::max(magnitude, 1e-12);
            expected[i] = std::max(-largest, std::min(largest, value));
            turned[i % width * rows + i / width] = expected[i];
        }
        // Integers are the nearest; a float8 is within half a unit of its last place.
        auto close = [&](const vector<double> &found, const vector<double> &wanted, const char *what) {
            for (size_t i = 0; i < n; i++) {
                double limit = out == ORRERY_CUDA_INT8 ? 0.5001 : std::max(std::fabs(wanted[i]) * 0x1p-4, 0x1p-10) * 1.0001;
                if (!(std::fabs(found[i] - wanted[i]) <= limit)) return expect(false, string(what) + "[" + std::to_string(i) + "] is " + std::to_string(found[i]) + ", not " + std::to_string(wanted[i]));
            }
            expect(true, what);
        };
        close(y, expected, "y");
        if (mode == 4) close(p.read(4, out, n), turned, "transposed");
        if (mode == 2 || mode == 3) {
            for (double &value : tops) value = std::max(value, 1e-12) / largest;
            compare(scales, tops, ORRERY_CUDA_FP32, 1e-6, "scales");
        }
        if (mode == 0 || mode == 4) compare(p.read(3, ORRERY_CUDA_FP32, 1), {top}, ORRERY_CUDA_FP32, 1e-6, "magnitude for the next step");
        if (mode == 1) compare(scales, {top}, ORRERY_CUDA_FP32, 1e-6, "magnitude");
    }
}

// MARK: Products and attention

void checkGEMM(int dtype, int out, int layout, int mode, int64_t m, int64_t n, int64_t k, int64_t count) {
    now = shapeText("product", dtype, {m, n, k, count}, mode) + " layout " + std::to_string(layout) + " to " + std::to_string(out);
    auto call = callOf(ORRERY_CUDA_GEMM, dtype, {m, n, k, count}, mode, out, layout);
    size_t one = bytesOf(dtype);
    Prepared p(makeGEMM(call, device), {n * k * count * one, m * k * count * one, m * n * count * bytesOf(out)});
    auto b = p.read(0, dtype, n * k * count), a = p.read(1, dtype, m * k * count), c = p.read(2, out, m * n * count);
    p.run();
    // In cuBLAS's words the first operand is b.
    bool firstT = layout == ORRERY_CUDA_TN || layout == ORRERY_CUDA_TT, secondT = layout == ORRERY_CUDA_NT || layout == ORRERY_CUDA_TT;
    vector<double> expected(m * n * count);
    for (int64_t g = 0; g < count; g++)
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double sum = mode == 1 ? c[(g * m + i) * n + j] : 0;
                for (int64_t l = 0; l < k; l++)
                    sum += a[g * m * k + (secondT ? l * m + i : i * k + l)] * b[g * k * n + (firstT ? j * k + l : l * n + j)];
                expected[(g * m + i) * n + j] = sum;
            }
    compare(p.read(2, out, m * n * count), expected, out, 1e-5, "out");
}

void checkAttention(int dtype, int64_t batch, int64_t heads, int64_t kvHeads, int64_t queries, int64_t keys, int64_t dim, bool causal) {
    size_t one = bytesOf(dtype), q = batch * heads * queries * dim, k = batch * kvHeads * keys * dim, sums = batch * heads * queries * 4;
    for (bool isBackward : {false, true}) {
        now = shapeText(isBackward ? "attention backward" : "attention", dtype, {batch, heads, kvHeads, queries, keys, dim, causal}, 0);
        vector<size_t> bytes{q * one, k * one, k * one, q * one, sums};
        if (isBackward)
            for (size_t more : {q * one, sums, q * one, k * one, k * one}) bytes.push_back(more);
        Prepared p(makeAttention(callOf(isBackward ? ORRERY_CUDA_ATTENTION_BACKWARD : ORRERY_CUDA_ATTENTION, dtype,
                                        {batch, heads, kvHeads, queries, keys, dim, causal}), device), bytes);
        p.run();
        auto Q = p.read(0, dtype, q), K = p.read(1, dtype, k), V = p.read(2, dtype, k), O = p.read(3, dtype, q);
        auto dO = isBackward ? p.read(5, dtype, q) : vector<double>(q);
        vector<double> out(q), dQ(q), dK(k), dV(k);
        double scale = 1 / std::sqrt(double(dim));
        for (int64_t h = 0; h < batch * heads; h++) {
            int64_t kv = h / heads * kvHeads + h % heads / (heads / kvHeads);
            for (int64_t i = 0; i < queries; i++) {
                const double *x = &Q[(h * queries + i) * dim];
                int64_t last = causal ? i + keys - queries : keys - 1;
                vector<double> share(last + 1);
                double sum = 0, delta = 0;
                for (int64_t j = 0; j <= last; j++) {
                    double score = 0;
                    for (int64_t d = 0; d < dim; d++) score += x[d] * K[(kv * keys + j) * dim + d];
                    sum += share[j] = std::exp(score * scale);
                }
                for (int64_t j = 0; j <= last; j++)
                    for (int64_t d = 0; d < dim; d++) out[(h * queries + i) * dim + d] += share[j] / sum * V[(kv * keys + j) * dim + d];
                for (int64_t d = 0; d < dim; d++) delta += dO[(h * queries + i) * dim + d] * O[(h * queries + i) * dim + d];
                for (int64_t j = 0; isBackward && j <= last; j++) {
                    double change = 0, part = share[j] / sum;
                    for (int64_t d = 0; d < dim; d++) change += dO[(h * queries + i) * dim + d] * V[(kv * keys + j) * dim + d];
                    double slope = part * (change - delta) * scale;
                    for (int64_t d = 0; d < dim; d++) {
                        dQ[(h * queries + i) * dim + d] += slope * K[(kv * keys + j) * dim + d];
                        dK[(kv * keys + j) * dim + d] += slope * x[d];
                        dV[(kv * keys + j) * dim + d] += part * dO[(h * queries + i) * dim + d];
                    }
                }
            }
        }
        compare(O, out, dtype, 2e-5, "out");
        if (!isBackward) continue;
        compare(p.read(7, dtype, q), dQ, dtype, 1e-4, "dQ");
        compare(p.read(8, dtype, k), dK, dtype, 1e-4, "dK");
        compare(p.read(9, dtype, k), dV, dtype, 1e-4, "dV");
    }
}

// MARK: The rest

/// What the plug-in cannot do it refuses with a code.
void checkRefusals() {
    auto refuses = [](const char *what, auto make) {
        now = what;
        try {
            make();
            expect(false, "was not refused");
        } catch (const Fault &) {
            expect(true, "refused");
        }
    };
    refuses("no elements", [] { makeElements(callOf(ORRERY_CUDA_ADAMW, 0, {0}), device); });
    refuses("no rows", [] { makeRows(callOf(ORRERY_CUDA_SOFTMAX, 0, {0, 4}), device); });
    refuses("no columns", [] { makeQuantise(callOf(ORRERY_CUDA_QUANTISE, 0, {4, 0}, 0, ORRERY_CUDA_INT8), device); });
    refuses("no depth", [] { makeGEMM(callOf(ORRERY_CUDA_GEMM, 0, {4, 4, 0, 1}), device); });
    refuses("no keys", [] { makeAttention(callOf(ORRERY_CUDA_ATTENTION, 0, {1, 1, 1, 1, 0, 8, 0}), device); });
    refuses("fewer keys than queries", [] { makeAttention(callOf(ORRERY_CUDA_ATTENTION, 0, {1, 1, 1, 4, 2, 8, 1}), device); });
    refuses("more kept than there are", [] { makeTopK(callOf(ORRERY_CUDA_TOP_K, 0, {4, 5}), device); });
    refuses("heads that do not divide", [] { makeAttention(callOf(ORRERY_CUDA_ATTENTION, 0, {1, 3, 2, 4, 4, 8, 0}), device); });
}

/// The C functions that the program calls, from the device's name to a timing.
void checkInterface() {
    now = "interface";
    int32_t count = 0;
    expect(orrery_cuda_abi() == ORRERY_CUDA_ABI && orrery_cuda_device_count(&count) == 0 && count == 1, "a device");
    orrery_cuda_device found = {};
    found.size = sizeof found;
    expect(orrery_cuda_device_query(0, &found) == 0 && string(found.name).find("emulated") == 0, "its name says that it is emulated");
    for (int mode = 0; mode < 5; mode++) {
        auto call = callOf(ORRERY_CUDA_COPY, 0, {1000}, mode);
        orrery_cuda_rule rule = {sizeof rule, 0.001, 0, 0.1, 2, 4};
        orrery_cuda_timing timing = {};
        timing.size = sizeof timing;
        expect(orrery_cuda_time(0, &call, &rule, &timing) == 0 && timing.median > 0, orrery_cuda_error());
    }
    for (int mode = 0; mode < 2; mode++) {
        auto call = callOf(ORRERY_CUDA_LAUNCH, 0, {10}, mode);
        orrery_cuda_rule rule = {sizeof rule, 0.001, 0, 0.1, 2, 4};
        orrery_cuda_timing timing = {};
        timing.size = sizeof timing;
        expect(orrery_cuda_time(0, &call, &rule, &timing) == 0, orrery_cuda_error());
    }
}

void checkAll() {
    for (int dtype : formats) {
        for (auto [rows, width] : vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 7}, {3, 33}, {5, 256}, {70, 65}, {2, 1031}}) {
            checkNorms(dtype, rows, width);
            checkSoftmax(dtype, rows, width);
            for (int out : {ORRERY_CUDA_E4M3, ORRERY_CUDA_INT8}) checkQuantise(dtype, out, rows, width);
        }
        checkSoftmax(dtype, 2, 8200); // wide rows have larger blocks
        for (int64_t n : {1, 2, 31, 257, 5003}) checkElements(dtype, n);
        for (auto [rows, width, table] : vector<std::tuple<int64_t, int64_t, int64_t>>{{1, 1, 1}, {3, 5, 2}, {40, 33, 17}}) checkTable(dtype, rows, width, table);
        for (auto [n, kept] : vector<std::pair<int64_t, int64_t>>{{1, 1}, {7, 3}, {1000, 1000}, {4099, 41}}) checkTopK(dtype, n, kept);
        for (bool causal : {false, true}) {
            checkAttention(dtype, 1, 1, 1, 1, 1, 1, causal);
            checkAttention(dtype, 2, 4, 2, 17, 17, 24, causal);
            checkAttention(dtype, 1, 2, 1, 5, 40, 64, causal);
        }
        for (int layout : {ORRERY_CUDA_NN, ORRERY_CUDA_NT, ORRERY_CUDA_TN, ORRERY_CUDA_TT})
            for (auto [m, n, k, count] : vector<std::tuple<int64_t, int64_t, int64_t, int64_t>>{{1, 1, 1, 1}, {3, 5, 7, 1}, {17, 9, 33, 3}}) {
                checkGEMM(dtype, dtype, layout, 0, m, n, k, count);
                checkGEMM(dtype, ORRERY_CUDA_FP32, layout, 1, m, n, k, count);
            }
    }
    checkGEMM(ORRERY_CUDA_TF32, ORRERY_CUDA_FP32, ORRERY_CUDA_NN, 0, 8, 9, 10, 1);
    checkGEMM(ORRERY_CUDA_E4M3, ORRERY_CUDA_BF16, ORRERY_CUDA_TN, 0, 16, 32, 48, 1);
    checkRefusals();
    checkInterface();
}

} // namespace

int main(int count, char **arguments) {
    int orders = count > 1 ? atoi(arguments[1]) : 3;
    for (int order = 0; order < orders; order++) {
        emulated::setOrder(unsigned(order));
        checkAll();
    }
    printf("%d comparisons of emulated kernels in %d orders of threads, %d failed\n", checks, orders, failures);
    return failures == 0 ? 0 : 1;
}
