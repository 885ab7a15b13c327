// Softmax attention in blocks of queries: scores of BLOCK queries against the keys that any of them sees, never all of length x length
// (the idea of arXiv:2205.14135, with matrix products of OpenBLAS for the tiles).
#include "blas.h"
#include "cnkernels.h"
#include "exponential.h"
#include "multiversion.h"
#include <stdlib.h>
#include <string.h>

float logf(float);
float sqrtf(float);

#define LANES 32
#define BLOCK 64

/// Softmax of s[0 ..< n] in place; returns the logarithm of the sum of exponentials. Zeros to `end`.
MULTIVERSION static float softmax_row(float *restrict s, size_t n, size_t end) {
    float lane[LANES];
    for (size_t l = 0; l < LANES; l++) lane[l] = -float_of(INFINITE);
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
        for (size_t l = 0; l < LANES; l++) lane[l] = s[j + l] > lane[l] ? s[j + l] : lane[l];
    for (size_t l = 0; j + l < n; l++) lane[l] = s[j + l] > lane[l] ? s[j + l] : lane[l];
    for (size_t h = LANES / 2; h > 0; h /= 2)
        for (size_t l = 0; l < h; l++) lane[l] = lane[l + h] > lane[l] ? lane[l + h] : lane[l];
    float top = lane[0];
    for (size_t l = 0; l < LANES; l++) lane[l] = 0;
    for (j = 0; j + LANES <= n; j += LANES)
        for (size_t l = 0; l < LANES; l++) {
            s[j + l] = exp_lane(s[j + l] - top);
            lane[l] += s[j + l];
        }
    for (size_t l = 0; j + l < n; l++) {
        s[j + l] = exp_lane(s[j + l] - top);
        lane[l] += s[j + l];
    }
    for (size_t h = LANES / 2; h > 0; h /= 2)
        for (size_t l = 0; l < h; l++) lane[l] += lane[l + h];
    float inverse = 1.0f / lane[0];
    for (j = 0; j < n; j++) s[j] *= inverse;
    for (j = n; j < end; j++) s[j] = 0;
    return top + logf(lane[0]);
}

/// From scores s and dp = dO V^T: p = exp(s - logsum) into s, and ds = p (dp - delta) scale into dp. Zeros from n to `end`.
MULTIVERSION static void gradient_row(float *restrict s, float *restrict dp, const size_t n_end[2], float logsum, float delta, float scale) {
    for (size_t j = 0; j < n_end[0]; j++) {
        float p = exp_lane(s[j] - logsum);
        s[j] = p;
        dp[j] = p * (dp[j] - delta) * scale;
    }
    for (size_t j = n_end[0]; j < n_end[1]; j++) s[j] = dp[j] = 0;
}

/// The same where the probabilities are known.
MULTIVERSION static void sparse_gradient_row(const float *restrict p, float *restrict dp, size_t n, float delta, float scale) {
    for (size_t j = 0; j < n; j++) dp[j] = p[j] != 0.0f ? p[j] * (dp[j] - delta) * scale : 0.0f;
}

MULTIVERSION static float dot(const float *restrict a, const float *restrict b, size_t n) {
    float lane[16] = {0};
    size_t j = 0;
    for (; j + 16 <= n; j += 16)
        for (size_t l = 0; l < 16; l++) lane[l] += a[j + l] * b[j + l];
    for (size_t l = 0; j + l < n; l++) lane[l] += a[j + l] * b[j + l];
    for (size_t h = 8; h > 0; h /= 2)
        for (size_t l = 0; l < h; l++) lane[l] += lane[l + h];
    return lane[0];
}

static int by_descending_score(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/// Softmax over the `kept` largest of s[0 ..< n], the earlier among equals; zero for the rest up to `end`. A NaN ranks first and so stays.
static void sparse_softmax_row(float *s, const size_t n_end[2], size_t kept, uint64_t *keys, float *chosen) {
    size_t n = n_end[0];
    if (kept >= n) {
        softmax_row(s, n, n_end[1]);
        return;
    }
    for (size_t j = 0; j < n; j++) {
        uint32_t u = bits_of(s[j] + 0.0f);
        // Ascending in this order is descending in score: the usual order-preserving map of floats, inverted; position breaks ties.
        uint32_t rank = s[j] != s[j] ? 0 : u >> 31 ? u : ~(u | 0x80000000u);
        keys[j] = (uint64_t)rank << 32 | (uint32_t)j;
    }
    qsort(keys, n, sizeof *keys, by_descending_score);
    for (size_t j = 0; j < kept; j++) chosen[j] = s[(uint32_t)keys[j]];
    softmax_row(chosen, kept, kept);
    for (size_t j = 0; j < n_end[1]; j++) s[j] = 0;
    for (size_t j = 0; j < kept; j++) s[(uint32_t)keys[j]] = chosen[j];
}

static void product(int a_side, int b_side, const size_t mnk[3], float alpha, const float *const ab[2],
                    const size_t ld[3], float beta, float *c) {
    cn_blas_library()->sgemm(BLAS_ROW_MAJOR, a_side, b_side, (int)mnk[0], (int)mnk[1], (int)mnk[2], alpha, ab[0], (int)ld[0], ab[1],
                             (int)ld[1], beta, c, (int)ld[2]);
}
#define PRODUCT(TA, TB, M, N, K, ALPHA, A, LDA, B, LDB, BETA, C, LDC)                                                           \
    product(TA, TB, (const size_t[3]){M, N, K}, ALPHA, (const float *const[2]){A, B}, (const size_t[3]){LDA, LDB, LDC}, BETA, C)

int cn_attention_f32(const cn_attention *s, const float *qkv, float *output, float *saved) {
    size_t n = s->length, d = s->head_dimension, width = s->heads * d, line = 3 * width;
    if (s->sequences == 0 || n == 0 || s->heads == 0) return 0;
    int sparse = s->kept > 0 && s->kept < n;
    float *scores = malloc(BLOCK * n * sizeof(float));
    uint64_t *keys = sparse ? malloc(n * sizeof *keys) : NULL;
    float *chosen = sparse ? malloc(n * sizeof(float)) : NULL;
    int result = scores && (!sparse || (keys && chosen)) ? 0 : -1;
    float scale = 1.0f / sqrtf((float)d);
    for (size_t head = 0; result == 0 && head < s->sequences * s->heads; head++) {
        const float *q = qkv + head / s->heads * n * line + head % s->heads * d, *k = q + width, *v = k + width;
        float *out = output + head / s->heads * n * width + head % s->heads * d;
        for (size_t first = 0; first < n; first += BLOCK) {
            size_t queries = n - first < BLOCK ? n - first : BLOCK, seen = s->causal ? first + queries : n;
            float *p = sparse ? saved + (head * n + first) * n : scores;
            size_t ld = sparse ? n : seen;
            PRODUCT(BLAS_PLAIN, BLAS_TRANSPOSED, queries, seen, d, scale, q + first * line, line, k, line, 0, p, ld);
            for (size_t i = 0; i < queries; i++) {
                size_t visible = s->causal ? first + i + 1 : n;
                if (sparse)
                    sparse_softmax_row(p + i * ld, (const size_t[2]){visible, n}, s->kept, keys, chosen);
                else
                    saved[head * n + first + i] = softmax_row(p + i * ld, visible, seen);
            }
            PRODUCT(BLAS_PLAIN, BLAS_PLAIN, queries, d, seen, 1, p, ld, v, line, 0, out + first * width, width);
        }
    }
    free(scores);
    free(keys);
    free(chosen);
    return result;
}

// dV = P^T dO; dP = dO V^T; dS = P (dP - rowsum(dO O)) scale; dQ = dS K; dK = dS^T Q.
int cn_attention_backward_f32(const cn_attention *s, const cn_attention_gradient *b) {
    size_t n = s->length, d = s->head_dimension, width = s->heads * d, line = 3 * width;
    if (s->sequences == 0 || n == 0 || s->heads == 0) return 0;
    int sparse = s->kept > 0 && s->kept < n;
    float *work = malloc(2 * BLOCK * n * sizeof(float));
    if (!work) return -1;
    float scale = 1.0f / sqrtf((float)d);
    memset(b->dqkv, 0, s->sequences * n * line * sizeof(float));
    for (size_t head = 0; head < s->sequences * s->heads; head++) {
        size_t at = head / s->heads * n * line + head % s->heads * d, to = head / s->heads * n * width + head % s->heads * d;
        const float *q = b->qkv + at, *k = q + width, *v = k + width;
        float *dq = b->dqkv + at, *dk = dq + width, *dv = dk + width;
        for (size_t first = 0; first < n; first += BLOCK) {
            size_t queries = n - first < BLOCK ? n - first : BLOCK, seen = s->causal ? first + queries : n;
            const float *dout = b->doutput + to + first * width, *out = b->output + to + first * width;
            float *ds = work + BLOCK * n, *recomputed = work;
            const float *p = sparse ? b->saved + (head * n + first) * n : recomputed;
            size_t ld = sparse ? n : seen;
            PRODUCT(BLAS_PLAIN, BLAS_TRANSPOSED, queries, seen, d, 1, dout, width, v, line, 0, ds, seen);
            if (!sparse) PRODUCT(BLAS_PLAIN, BLAS_TRANSPOSED, queries, seen, d, scale, q + first * line, line, k, line, 0, recomputed, ld);
            for (size_t i = 0; i < queries; i++) {
                float delta = dot(dout + i * width, out + i * width, d);
                size_t visible = s->causal ? first + i + 1 : n;
                if (sparse)
                    sparse_gradient_row(p + i * ld, ds + i * seen, seen, delta, scale);
                else
                    gradient_row(recomputed + i * ld, ds + i * seen, (const size_t[2]){visible, seen}, b->saved[head * n + first + i],
                                 delta, scale);
            }
            PRODUCT(BLAS_TRANSPOSED, BLAS_PLAIN, seen, d, queries, 1, p, ld, dout, width, 1, dv, line);
            PRODUCT(BLAS_PLAIN, BLAS_PLAIN, queries, d, seen, 1, ds, seen, k, line, 0, dq + first * line, line);
            PRODUCT(BLAS_TRANSPOSED, BLAS_PLAIN, seen, d, queries, 1, ds, seen, q + first * line, line, 1, dk, line);
        }
    }
    free(work);
    return 0;
}
