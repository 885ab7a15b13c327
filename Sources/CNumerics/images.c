#include "cnkernels.h"
#include "multiversion.h"
#include <string.h>

MULTIVERSION void cn_channels_last_f32(const float *restrict x, float *restrict y, const cn_image *s) {
    size_t pixels = s->height * s->width;
    for (size_t image = 0; image < s->images; image++, x += pixels * s->channels, y += pixels * s->channels)
        for (size_t c = 0; c < s->channels; c++)
            for (size_t i = 0; i < pixels; i++) y[i * s->channels + c] = x[c * pixels + i];
}

/// Rows or columns of a window at `out` that lie within `side`: from *first to before the result.
static inline size_t inside(size_t out, size_t side, const cn_image *s, size_t *first) {
    size_t start = out * s->stride;
    *first = start < s->padding ? s->padding - start : 0;
    size_t end = side + s->padding > start ? side + s->padding - start : 0;
    if (end > s->window) end = s->window;
    if (*first > end) *first = end;
    return end;
}

// A patch is built window row by window row; channels lie window * window apart in it.
#define FOR_EACH_WINDOW_ROW(BODY)                                                                                               \
    for (size_t image = 0; image < s->images; image++)                                                                          \
        for (size_t r = 0; r < s->out_height; r++)                                                                              \
            for (size_t c = 0; c < s->out_width; c++, patches += area * s->channels) {                                          \
                size_t top, left, bottom = inside(r, s->height, s, &top), right = inside(c, s->width, s, &left);                \
                for (size_t wr = top; wr < bottom; wr++)                                                                        \
                    for (size_t wc = left; wc < right; wc++) {                                                                  \
                        size_t row = r * s->stride + wr - s->padding, column = c * s->stride + wc - s->padding;                 \
                        size_t pixel = ((image * s->height + row) * s->width + column) * s->channels;                           \
                        size_t offset = wr * s->window + wc;                                                                    \
                        for (size_t k = 0; k < s->channels; k++) BODY;                                                          \
                    }                                                                                                           \
            }

MULTIVERSION void cn_im2col_f32(const float *restrict x, float *restrict patches, const cn_image *s) {
    size_t area = s->window * s->window;
    memset(patches, 0, s->images * s->out_height * s->out_width * area * s->channels * sizeof(float));
    FOR_EACH_WINDOW_ROW(patches[k * area + offset] = x[pixel + k])
}

MULTIVERSION void cn_col2im_f32(const float *restrict patches, float *restrict x, const cn_image *s) {
    size_t area = s->window * s->window;
    memset(x, 0, s->images * s->height * s->width * s->channels * sizeof(float));
    FOR_EACH_WINDOW_ROW(x[pixel + k] += patches[k * area + offset])
}

MULTIVERSION void cn_mean_pool_f32(const float *restrict x, float *restrict y, const cn_image *s) {
    size_t n = s->channels, line = s->width * n;
    for (size_t r = 0; r < s->images * s->height / 2; r++, x += 2 * line)
        for (size_t c = 0; c < s->width / 2; c++, y += n) {
            const float *at = x + 2 * c * n;
            for (size_t k = 0; k < n; k++) y[k] = 0.25f * ((at[k] + at[n + k]) + (at[line + k] + at[line + n + k]));
        }
}

MULTIVERSION void cn_mean_pool_backward_f32(const float *restrict dy, float *restrict dx, const cn_image *s) {
    size_t n = s->channels, line = s->width * n;
    for (size_t r = 0; r < s->images * s->height / 2; r++, dx += 2 * line)
        for (size_t c = 0; c < s->width / 2; c++, dy += n) {
            float *at = dx + 2 * c * n;
            for (size_t k = 0; k < n; k++) at[k] = at[n + k] = at[line + k] = at[line + n + k] = 0.25f * dy[k];
        }
}
