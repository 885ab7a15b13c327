#include "cnkernels.h"
#include "exponential.h"
#include "lanes.h"
#include "multiversion.h"

double log(double);

#define LANES 32
#define REDUCE(OPERATION)                                                                                                       \
    for (size_t h = LANES / 2; h > 0; h /= 2)                                                                                   \
        for (size_t l = 0; l < h; l++) OPERATION;

/// Largest element of a row; NaNs are passed over: they reach the result by the exponentials.
static inline __attribute__((always_inline)) float row_max(const float *restrict x, size_t n) {
    float lane[LANES];
    for (size_t l = 0; l < LANES; l++) lane[l] = -float_of(INFINITE);
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
        for (size_t l = 0; l < LANES; l++) lane[l] = x[j + l] > lane[l] ? x[j + l] : lane[l];
    for (size_t l = 0; j + l < n; l++) lane[l] = x[j + l] > lane[l] ? x[j + l] : lane[l];
    REDUCE(lane[l] = lane[l + h] > lane[l] ? lane[l + h] : lane[l])
    return lane[0];
}
/// y = exp(x - top), and the sum of y.
static inline __attribute__((always_inline)) float row_exp(const float *restrict x, float *restrict y, size_t n, float top) {
    float lane[LANES] = {0};
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
        for (size_t l = 0; l < LANES; l++) {
            float e = exp_lane(x[j + l] - top);
            y[j + l] = e;
            lane[l] += e;
        }
    for (size_t l = 0; j + l < n; l++) {
        float e = exp_lane(x[j + l] - top);
        y[j + l] = e;
        lane[l] += e;
    }
    REDUCE(lane[l] += lane[l + h])
    return lane[0];
}

MULTIVERSION void cn_softmax_f32(const float *restrict x, float *restrict y, cn_rows s) {
    for (size_t i = 0; i < s.rows; i++, x += s.width, y += s.width) {
        float inverse = 1.0f / row_exp(x, y, s.width, row_max(x, s.width));
        for (size_t j = 0; j < s.width; j++) y[j] *= inverse;
    }
}

MULTIVERSION void cn_softmax_backward_f32(const float *restrict dy, const float *restrict y, float *restrict dx, cn_rows s) {
    for (size_t i = 0; i < s.rows; i++, dy += s.width, y += s.width, dx += s.width) {
        float lane[LANES] = {0};
        size_t j = 0;
        for (; j + LANES <= s.width; j += LANES)
            for (size_t l = 0; l < LANES; l++) lane[l] += dy[j + l] * y[j + l];
        if (j < s.width) {
            // Apart, so that the lanes stay in registers: nothing indexes them by a variable.
            float rest[LANES] = {0};
            for (size_t l = 0; j + l < s.width; l++) rest[l] = dy[j + l] * y[j + l];
            for (size_t l = 0; l < LANES; l++) lane[l] += rest[l];
        }
        float sum = lanes_sum(lane);
        for (j = 0; j < s.width; j++) dx[j] = y[j] * (dy[j] - sum);
    }
}

MULTIVERSION double cn_cross_entropy_f32(
    const float *restrict logits, const ptrdiff_t *labels, float *restrict gradient, cn_rows s) {
    double loss = 0;
    float share = 1.0f / (float)s.rows;
    for (size_t i = 0; i < s.rows; i++, logits += s.width, gradient += s.width) {
        float top = row_max(logits, s.width);
        float sum = row_exp(logits, gradient, s.width, top);
        float inverse = share / sum;
        for (size_t j = 0; j < s.width; j++) gradient[j] *= inverse;
        gradient[labels[i]] -= share;
        loss += log((double)sum) + ((double)top - (double)logits[labels[i]]);
    }
    return loss;
}

// gelu(x) = x sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3), since (1 + tanh u) / 2 = sigmoid(2 u): no cancellation.
#define GELU_SLOPE 1.5957691216057308f
#define GELU_CUBE 0.044715f

MULTIVERSION void cn_gelu_f32(const float *restrict x, float *restrict y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = x[i] * sigmoid_lane(GELU_SLOPE * (x[i] + GELU_CUBE * x[i] * x[i] * x[i]));
}
MULTIVERSION void cn_gelu_backward_f32(const float *restrict x, float *restrict gradient, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float v = x[i], s = sigmoid_lane(GELU_SLOPE * (v + GELU_CUBE * v * v * v));
        // Far out s (1 - s) is 0, and so must be the term, though the polynomial overflows.
        float bell = s * (1.0f - s), slope = GELU_SLOPE * (1.0f + 3.0f * GELU_CUBE * v * v);
        gradient[i] *= s + (bell == 0.0f ? 0.0f : v * bell * slope);
    }
}
MULTIVERSION void cn_silu_f32(const float *restrict x, float *restrict y, size_t n) {
    // Below -88 the result is less than 1e-36, and so must be that of -1e38.
    for (size_t i = 0; i < n; i++) {
        float v = x[i] < -88.0f ? -88.0f : x[i];
        y[i] = v / one_plus_exp_negative(v);
    }
}
MULTIVERSION void cn_silu_backward_f32(const float *restrict x, float *restrict gradient, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float v = x[i] < -88.0f ? -88.0f : x[i];
        float s = 1.0f / one_plus_exp_negative(v), bell = s * (1.0f - s);
        gradient[i] *= s + (bell == 0.0f ? 0.0f : v * bell);
    }
}
MULTIVERSION void cn_tanh_f32(const float *restrict x, float *restrict y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = tanh_lane(x[i]);
}
MULTIVERSION void cn_tanh_backward_f32(const float *restrict x, float *restrict gradient, size_t n) {
    // 1 - tanh^2 = 4 s (1 - s) with s = sigmoid(2 x).
    for (size_t i = 0; i < n; i++) {
        float s = sigmoid_lane(2.0f * (x[i] > 0 ? -x[i] : x[i]));
        gradient[i] *= 4.0f * s * (1.0f - s);
    }
}
MULTIVERSION void cn_relu_f32(const float *restrict x, float *restrict y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = x[i] < 0 ? 0.0f : x[i];
}
MULTIVERSION void cn_relu_backward_f32(const float *restrict x, float *restrict gradient, size_t n) {
    // A NaN of x or of the gradient stays.
    for (size_t i = 0; i < n; i++) gradient[i] = x[i] > 0 ? gradient[i] : x[i] <= 0 ? 0.0f * gradient[i] : x[i];
}

MULTIVERSION void cn_swiglu_f32(const float *restrict x, float *restrict y, cn_rows s) {
    for (size_t i = 0; i < s.rows; i++, x += 2 * s.width, y += s.width)
        for (size_t j = 0; j < s.width; j++) y[j] = x[j] * sigmoid_lane(x[j]) * x[s.width + j];
}
MULTIVERSION void cn_swiglu_backward_f32(const float *restrict dy, const float *restrict x, float *restrict dx, cn_rows s) {
    for (size_t i = 0; i < s.rows; i++, x += 2 * s.width, dx += 2 * s.width, dy += s.width)
        for (size_t j = 0; j < s.width; j++) {
            float gate = x[j], sig = sigmoid_lane(gate), bell = sig * (1.0f - sig);
            dx[s.width + j] = dy[j] * gate * sig;
            dx[j] = dy[j] * x[s.width + j] * (sig + (bell == 0.0f ? 0.0f : gate * bell));
        }
}
