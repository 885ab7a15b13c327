/// Dense arithmetic of a training step in single precision, row-major; one thread except for the matrix products. The same rules as cnumerics.h:
/// every function reads and writes only what its arguments describe, sums run over a fixed number of lanes, and a NaN reaches every output that
/// depends on it. Indices are checked by the caller.
#pragma once
#include <stddef.h>
#include <stdint.h>

// MARK: Rows (rows.c): x is [rows][width]

typedef struct {
    size_t rows, width;
} cn_rows;
void cn_add_bias_f32(float *x, const float *bias, cn_rows shape);
/// sums[width] += column sums.
void cn_add_column_sums_f32(const float *x, float *sums, cn_rows shape);
void cn_scale_rows_f32(float *x, const float *weights, cn_rows shape);
void cn_row_dots_f32(const float *a, const float *b, float *dots, cn_rows shape);
void cn_gather_rows_f32(const float *table, const ptrdiff_t *indices, float *y, cn_rows shape);
void cn_scatter_add_rows_f32(const float *x, const ptrdiff_t *indices, float *table, cn_rows shape);
void cn_narrow_f32(const double *x, float *y, size_t n);

// MARK: Normalisation (norms.c); statistics: [rows][2] mean and inverse deviation, or [rows] inverse root mean square

void cn_layernorm_f32(const float *x, const float *gain, const float *bias, float *y, float *statistics, cn_rows shape);
void cn_rmsnorm_f32(const float *x, const float *gain, float *y, float *statistics, cn_rows shape);
typedef struct {
    const float *dy, *x, *gain, *statistics;
    /// dx is written, dgain and dbias are added to.
    float *dx, *dgain, *dbias;
} cn_norm_backward;
void cn_layernorm_backward_f32(const cn_norm_backward *buffers, cn_rows shape);
void cn_rmsnorm_backward_f32(const cn_norm_backward *buffers, cn_rows shape);

// MARK: Exponentials (exponentials.c)

void cn_softmax_f32(const float *x, float *y, cn_rows shape);
void cn_softmax_backward_f32(const float *dy, const float *y, float *dx, cn_rows shape);
/// Sum over rows of the cross-entropy; gradient of the mean.
double cn_cross_entropy_f32(const float *logits, const ptrdiff_t *labels, float *gradient, cn_rows shape);
void cn_gelu_f32(const float *x, float *y, size_t n);
void cn_silu_f32(const float *x, float *y, size_t n);
void cn_tanh_f32(const float *x, float *y, size_t n);
void cn_relu_f32(const float *x, float *y, size_t n);
/// gradient *= f'(x)
void cn_gelu_backward_f32(const float *x, float *gradient, size_t n);
void cn_silu_backward_f32(const float *x, float *gradient, size_t n);
void cn_tanh_backward_f32(const float *x, float *gradient, size_t n);
void cn_relu_backward_f32(const float *x, float *gradient, size_t n);
/// x and dx [rows][2][width]: gate, then up.
void cn_swiglu_f32(const float *x, float *y, cn_rows shape);
void cn_swiglu_backward_f32(const float *dy, const float *x, float *dx, cn_rows shape);

// MARK: Attention (attention.c)

typedef struct {
    size_t sequences, heads, length, head_dimension;
    int causal;
    /// Keys a query attends to; 0 for all.
    size_t kept;
} cn_attention;
typedef struct {
    /// qkv [sequences][length][3][heads][head_dimension], output [sequences][length][heads][head_dimension].
    const float *qkv, *output, *saved, *doutput;
    float *dqkv;
} cn_attention_gradient;
/// 0, or -1 where memory ran out. `saved`: [sequences][heads][length], times [length] where keys are dropped.
int cn_attention_f32(const cn_attention *shape, const float *qkv, float *output, float *saved);
int cn_attention_backward_f32(const cn_attention *shape, const cn_attention_gradient *buffers);

// MARK: Images (images.c): [images][height][width][channels]

typedef struct {
    size_t images, height, width, channels;
    size_t window, padding, stride, out_height, out_width;
} cn_image;
void cn_channels_last_f32(const float *x, float *y, const cn_image *shape);
/// Patches [images][out_height][out_width][channels][window][window].
void cn_im2col_f32(const float *x, float *patches, const cn_image *shape);
void cn_col2im_f32(const float *patches, float *x, const cn_image *shape);
void cn_mean_pool_f32(const float *x, float *y, const cn_image *shape);
void cn_mean_pool_backward_f32(const float *dy, float *dx, const cn_image *shape);

// MARK: Machine (machine.c)

/// The code path that OpenBLAS chose for this processor, and its configuration string.
const char *cn_blas_core(void);
const char *cn_blas_config(void);
int cn_blas_thread_count(void);
/// 4, 3 or 1: the widest x86-64 level that this project's kernels use here; 0 on other architectures.
int cn_vector_level(void);
/// Keeps the calling thread on one core: 0, or -1 where the system refuses.
int cn_pin_thread(int core);
/// Cores that this process may use.
int cn_usable_cores(void);
/// Memory that is given back stays with the process and is used again: no operation waits for the system to hand out pages a second time.
void cn_keep_memory(void);
/// Subnormal numbers of the calling thread count as zero (x86-64; elsewhere nothing happens). Returns what `cn_set_rounding` takes to undo it.
unsigned cn_flush_subnormals(void);
void cn_set_rounding(unsigned state);
