// Norms, softmax and cross entropy.
#include "check.h"

namespace check {
namespace {

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

} // namespace

void rows(int dtype) {
    for (auto [rows, width] : vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 7}, {3, 33}, {5, 256}, {70, 65}, {2, 1031}}) {
        checkNorms(dtype, rows, width);
        checkSoftmax(dtype, rows, width);
    }
    checkSoftmax(dtype, 2, 8200); // wide rows have larger blocks
}

} // namespace check
