// Elementwise kernels, the optimizer, tables, top-k and quantisation.
#include "check.h"

namespace check {
namespace {

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

} // namespace

void elements(int dtype) {
    for (int64_t n : {1, 2, 31, 257, 5003}) checkElements(dtype, n);
    for (auto [rows, width, table] : vector<std::tuple<int64_t, int64_t, int64_t>>{{1, 1, 1}, {3, 5, 2}, {40, 33, 17}}) checkTable(dtype, rows, width, table);
    for (auto [n, kept] : vector<std::pair<int64_t, int64_t>>{{1, 1}, {7, 3}, {1000, 1000}, {4099, 41}}) checkTopK(dtype, n, kept);
    for (auto [rows, width] : vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 7}, {3, 33}, {5, 256}, {70, 65}, {2, 1031}})
        for (int out : {ORRERY_CUDA_E4M3, ORRERY_CUDA_INT8}) checkQuantise(dtype, out, rows, width);
}

} // namespace check
