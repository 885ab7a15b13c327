/// Hot loops of Compression and Training. Every function is total: it reads and writes only what its arguments describe.
/// Elementwise kernels give the same bits on every CPU: they are compiled with -ffp-contract=off, and sums run over a fixed number of lanes.
#pragma once
#include <stddef.h>
#include <stdint.h>

// MARK: Reductions (reduce.c)

/// Largest magnitude among the finite elements, 0 where there is none. `*nonfinite` becomes 1 if an infinity or a NaN was met, else 0.
float cn_absmax_finite(const float *x, size_t n, int *nonfinite);
/// Sum of magnitudes in double precision.
double cn_sum_abs_f32(const float *x, size_t n);
double cn_sum_squares_f32(const float *x, size_t n);
double cn_sum_squares_f64(const double *x, size_t n);
double cn_sum_f32(const float *x, size_t n);
double cn_sum_f64(const double *x, size_t n);
/// 1 if every element is finite.
int cn_all_finite_f32(const float *x, size_t n);
int cn_all_finite_f64(const double *x, size_t n);

// MARK: Quantisers (float8.c, quantize.c). `inverse` multiplies before rounding; `scale` multiplies after decoding.

/// How a quantiser rounds: to nearest even, or up with a probability equal to the fraction, drawn by hashing (seed, index).
typedef struct {
    int stochastic;
    uint32_t seed;
    uint32_t first_index;
} cn_rounding;

void cn_encode_e4m3(const float *x, uint8_t *codes, size_t n, float inverse, cn_rounding rounding);
void cn_decode_e4m3(const uint8_t *codes, float *x, size_t n, float scale);
void cn_encode_e5m2(const float *x, uint8_t *codes, size_t n, float inverse, cn_rounding rounding);
void cn_decode_e5m2(const uint8_t *codes, float *x, size_t n, float scale);
/// One signed byte an element in -127...127; -128 stands for any non-finite element.
void cn_encode_int8(const float *x, uint8_t *codes, size_t n, float inverse, cn_rounding rounding);
void cn_decode_int8(const uint8_t *codes, float *x, size_t n, float scale);
/// One byte an element, 0...15, still unpacked: -7...7 in two's complement, 8 for any non-finite element.
void cn_encode_int4(const float *x, uint8_t *codes, size_t n, float inverse, cn_rounding rounding);
void cn_decode_int4(const uint8_t *codes, float *x, size_t n, float scale);
/// One byte an element, 0...15: the nearest of the 16 NormalFloat levels.
void cn_encode_nf4(const float *x, uint8_t *codes, size_t n, float inverse);
void cn_decode_nf4(const uint8_t *codes, float *x, size_t n, float scale);
/// Two 4-bit codes a byte, the first in the low half; writes (n + 1) / 2 bytes.
void cn_pack_nibbles(const uint8_t *codes, uint8_t *packed, size_t n);
/// `first` is the position of the first wanted nibble in `packed`.
void cn_unpack_nibbles(const uint8_t *packed, size_t first, uint8_t *codes, size_t n);
/// Sign bits, eight a byte, lowest first; writes (n + 7) / 8 bytes.
void cn_encode_signs(const float *x, uint8_t *bits, size_t n);
/// `scales[i / block]` with the sign of bit i; a block of 0 means one scale for all.
void cn_decode_signs(const uint8_t *bits, const float *scales, float *x, size_t n, size_t block);

/// bfloat16, little-endian, two bytes an element.
void cn_encode_bf16(const float *x, uint8_t *codes, size_t n);
void cn_decode_bf16(const uint8_t *codes, float *x, size_t n);
/// IEEE half and bfloat16, round to nearest even; overflow gives infinity.
void cn_round_to_bf16(const float *x, float *y, size_t n);
void cn_round_to_f16(const float *x, float *y, size_t n);

// MARK: Selection (select.c)

/// Where a selection of `count` elements (at most n) goes: their positions, and their values unless NULL.
typedef struct {
    size_t count;
    uint32_t *positions;
    float *values;
} cn_selection;
/// Selects the elements of largest magnitude, by ascending position; among equals the earlier wins; NaN ranks above infinity.
/// Returns 0, or -1 where memory ran out. O(n).
int cn_top_k(const float *x, size_t n, cn_selection out);
/// `residual += gradient`, then `cn_top_k` on the sum, in one pass over memory where the sampled threshold holds.
int cn_accumulate_top_k(const float *gradient, float *residual, size_t n, cn_selection out);
void cn_zero_at(float *x, const uint32_t *positions, size_t k);
/// Positions with magnitude >= threshold (a NaN always counts), ascending; returns how many.
size_t cn_at_least(const float *x, size_t n, float threshold, uint32_t *positions);
/// `k` distinct positions below `n`, ascending, the same for the same seed: selection sampling (Fan, Muller, Rezucha 1962; Knuth 3.4.2 S) over
/// SplitMix64 (Steele, Lea, Flood 2014). Returns -1 where k > n. O(n).
int cn_random_k(uint64_t n, size_t k, uint64_t seed, uint32_t *positions);
void cn_gather(const float *x, const uint32_t *positions, size_t k, float *values);

// MARK: Index coding (indices.c). Positions are strictly ascending and below `limit`. Encoders return bytes written (`out` must hold
// the bound stated), decoders 0 or -1 on malformed input; they never read beyond `size`.

/// Blocks of 128 deltas: one width byte, then the deltas at that width. At most 4k + k/128 + 16 bytes.
size_t cn_pack_deltas(const uint32_t *positions, size_t k, uint8_t *out);
int cn_unpack_deltas(const uint8_t *bytes, size_t size, uint64_t limit, uint32_t *positions, size_t k);
/// LEB128 deltas. At most 5k bytes.
size_t cn_varint_deltas(const uint32_t *positions, size_t k, uint8_t *out);
int cn_unvarint_deltas(const uint8_t *bytes, size_t size, uint64_t limit, uint32_t *positions, size_t k);
/// Elias-Fano (Elias 1974, Fano 1971) with `low` low bits an entry: ceil(k low / 8) + ceil((k + limit >> low) / 8) bytes, written in full.
size_t cn_elias_fano(const uint32_t *positions, size_t k, uint64_t limit, int low, uint8_t *out);
int cn_unelias_fano(const uint8_t *bytes, size_t size, uint64_t limit, int low, uint32_t *positions, size_t k);
/// One bit a coordinate: ceil(limit / 8) bytes.
void cn_bitmap(const uint32_t *positions, size_t k, uint64_t limit, uint8_t *out);
int cn_unbitmap(const uint8_t *bytes, uint64_t limit, uint32_t *positions, size_t k);

// MARK: Vectors and optimizer steps (optimizer.c), each for float and double

typedef struct {
    double rate, momentum, dampening, weight_decay;
    int nesterov, first;
} cn_sgd;
typedef struct {
    double rate, beta1, beta2, epsilon, weight_decay;
    double correction1, correction2;  // 1 - beta1^t, 1 - beta2^t
    int decoupled;
} cn_adam;
typedef struct {
    double rate, beta1, beta2, weight_decay;
} cn_lion;

#define CN_DECLARE(REAL, SUFFIX)                                                                                                \
    void cn_axpy_##SUFFIX(REAL *y, const REAL *x, size_t n, REAL a);                                                            \
    void cn_scale_##SUFFIX(REAL *y, size_t n, REAL a);                                                                          \
    void cn_clamp_##SUFFIX(REAL *y, size_t n, REAL limit);                                                                      \
    void cn_blend_##SUFFIX(REAL *y, const REAL *x, size_t n, REAL keep, REAL add);                                              \
    void cn_delay_compensate_##SUFFIX(REAL *g, const REAL *now, const REAL *then, size_t n, REAL lambda);                       \
    void cn_sgd_##SUFFIX(REAL *p, const REAL *g, REAL *momentum, size_t n, const cn_sgd *s);                                    \
    void cn_adam_##SUFFIX(REAL *p, const REAL *g, REAL *m, REAL *v, size_t n, const cn_adam *s);                                \
    void cn_adam_direction_##SUFFIX(REAL *out, const REAL *g, REAL *m, REAL *v, size_t n, const cn_adam *s);                    \
    void cn_lion_##SUFFIX(REAL *p, const REAL *g, REAL *m, size_t n, const cn_lion *s);                                         \
    void cn_square_sums_##SUFFIX(const REAL *g, size_t rows, size_t columns, double *by_row, double *by_column);                \
    void cn_factored_step_##SUFFIX(REAL *step, const REAL *row, const REAL *column, const size_t shape[2], REAL mean, REAL least);\
    void cn_damped_##SUFFIX(REAL *p, const REAL *g, REAL *m, size_t n, const double base_damping_keep[3]);                      \
    void cn_gemm_##SUFFIX(int transA, int transB, const int mnk[3], REAL alpha, const REAL *a, const REAL *b, REAL beta, REAL *c);
CN_DECLARE(float, f32)
CN_DECLARE(double, f64)

/// Draws that are a pure function of (key, index). Uniform on (0, 1); standard normal, one uniform each (AS 241).
double cn_uniform_at(uint64_t key, uint64_t index);
double cn_normal_at(uint64_t key, uint64_t index);
/// out[i] = the normal draw of index first + i.
void cn_normals_f64(double *out, size_t n, uint64_t key, uint64_t first);

typedef struct {
    uint64_t key;
    double scale;
} cn_noise;
/// A gradient of the noisy quadratic: g = h x + scale deviation z, z the normal draws of the key.
void cn_noisy_quadratic_f64(double *g, const double *x, const double *h, const double *deviation, size_t n, const cn_noise *noise);
void cn_noisy_quadratic_f32(float *g, const float *x, const double *h, const double *deviation, size_t n, const cn_noise *noise);

/// 8-bit Adam's block-wise dynamic codes (arXiv:2110.02861): nearest of the 256 ascending levels, and back.
void cn_encode_levels(const float *x, uint8_t *codes, size_t n, float inverse, const float *levels);
void cn_decode_levels(const uint8_t *codes, float *x, size_t n, float scale, const float *levels);

/// Zeroes memory that nobody has touched, and asks for huge pages for what is large: a step streams over it, and every small page costs it a
/// miss of the address cache (measured: 9% of an Adam step of 3e7 parameters).
void cn_zero(void *p, size_t bytes);

/// Threads of OpenBLAS for this process.
void cn_blas_threads(int count);
