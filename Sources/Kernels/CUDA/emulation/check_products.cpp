// Matrix products and attention.
#include "check.h"

namespace check {
namespace {

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

} // namespace

void products(int dtype) {
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
    if (dtype != ORRERY_CUDA_FP32) return;
    checkGEMM(ORRERY_CUDA_TF32, ORRERY_CUDA_FP32, ORRERY_CUDA_NN, 0, 8, 9, 10, 1);
    checkGEMM(ORRERY_CUDA_E4M3, ORRERY_CUDA_BF16, ORRERY_CUDA_TN, 0, 16, 32, 48, 1);
}

} // namespace check
