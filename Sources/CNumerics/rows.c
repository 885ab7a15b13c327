#include "cnkernels.h"
#include "multiversion.h"
#include <string.h>

MULTIVERSION void cn_add_bias_f32(float *restrict x, const float *restrict bias, cn_rows s) {
    for (size_t i = 0; i < s.rows; i++, x += s.width)
        for (size_t j = 0; j < s.width; j++) x[j] += bias[j];
}

// Four rows at a time: a quarter of the traffic to `sums`.
MULTIVERSION void cn_add_column_sums_f32(const float *restrict x, float *restrict sums, cn_rows s) {
    size_t i = 0, w = s.width;
    for (; i + 4 <= s.rows; i += 4, x += 4 * w)
        for (size_t j = 0; j < w; j++) sums[j] += (x[j] + x[w + j]) + (x[2 * w + j] + x[3 * w + j]);
    for (; i < s.rows; i++, x += w)
        for (size_t j = 0; j < w; j++) sums[j] += x[j];
}

MULTIVERSION void cn_scale_rows_f32(float *restrict x, const float *restrict weights, cn_rows s) {
    for (size_t i = 0; i < s.rows; i++, x += s.width)
        for (size_t j = 0; j < s.width; j++) x[j] *= weights[i];
}

MULTIVERSION void cn_row_dots_f32(const float *restrict a, const float *restrict b, float *restrict dots, cn_rows s) {
    for (size_t i = 0; i < s.rows; i++, a += s.width, b += s.width) {
        float lane[16] = {0};
        size_t j = 0;
        for (; j + 16 <= s.width; j += 16)
            for (size_t l = 0; l < 16; l++) lane[l] += a[j + l] * b[j + l];
        for (size_t l = 0; j + l < s.width; l++) lane[l] += a[j + l] * b[j + l];
        float sum = 0;
        for (size_t l = 0; l < 16; l++) sum += lane[l];
        dots[i] = sum;
    }
}

// Short rows by a loop of vectors: memcpy's start costs as much as some hundred bytes. Long ones by memcpy, which fetches ahead.
MULTIVERSION void cn_gather_rows_f32(const float *table, const ptrdiff_t *indices, float *y, cn_rows s) {
    for (size_t i = 0; i < s.rows; i++, y += s.width) {
        const float *row = table + (size_t)indices[i] * s.width;
        if (s.width > 512)
            memcpy(y, row, s.width * sizeof(float));
        else
            for (size_t j = 0; j < s.width; j++) y[j] = row[j];
    }
}

MULTIVERSION void cn_scatter_add_rows_f32(const float *restrict x, const ptrdiff_t *indices, float *restrict table, cn_rows s) {
    for (size_t i = 0; i < s.rows; i++, x += s.width) {
        float *row = table + (size_t)indices[i] * s.width;
        for (size_t j = 0; j < s.width; j++) row[j] += x[j];
    }
}

MULTIVERSION void cn_narrow_f32(const double *restrict x, float *restrict y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = (float)x[i];
}
