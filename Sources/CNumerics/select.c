// Exact selection of the k largest magnitudes. A float's magnitude bits order like the float, so everything works on unsigned keys.
#include "bits.h"
#include "multiversion.h"
#include <stdlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define SAMPLES 16384
#define MARGIN 16  // lanes that a full-width store may write beyond the count

static inline uint32_t key_of(float x) { return bits_of(x) & MAGNITUDE; }

/// The k-th largest key (1 <= k <= n) among raw floats by three histogram passes over 11, 10 and 10 bits; `*greater` becomes the number of keys above it.
static uint32_t kth_key(const uint32_t *raw, size_t n, size_t k, size_t *greater) {
    static const int shift[3] = {20, 10, 0}, bits[3] = {11, 10, 10};
    uint32_t prefix = 0, mask = 0;
    size_t above = 0;
    for (int pass = 0; pass < 3; pass++) {
        uint32_t count[2][2048];
        memset(count, 0, sizeof count);
        uint32_t digits = (1u << bits[pass]) - 1;
        for (size_t i = 0; i < n; i++) {
            uint32_t key = raw[i] & MAGNITUDE;
            count[i & 1][(key >> shift[pass]) & digits] += (key & mask) == prefix;
        }
        uint32_t digit = digits;
        for (;; digit--) {
            size_t here = (size_t)count[0][digit] + count[1][digit];
            if (above + here >= k || digit == 0) break;
            above += here;
        }
        prefix |= digit << shift[pass];
        mask |= digits << shift[pass];
    }
    *greater = above;
    return prefix;
}

typedef struct {
    uint32_t *positions, *raw;  // raw: the element's bits with its sign, so that its value need not be fetched again
    size_t capacity;
} candidates;

/// Collects keys >= low; adds `gradient` into `x` first where it is given and `add` is set. Returns the count, or SIZE_MAX on overflow.
static size_t collect_portable(const float *gradient, float *x, size_t n, uint32_t low, candidates c) {
    size_t found = 0;
    for (size_t i = 0; i < n; i += 32) {
        size_t length = n - i < 32 ? n - i : 32;
        uint32_t any = 0;
        for (size_t j = 0; j < length; j++) {
            float v = gradient ? gradient[i + j] + x[i + j] : x[i + j];
            if (gradient) x[i + j] = v;
            any |= key_of(v) >= low;
        }
        if (!any || found == SIZE_MAX) continue;
        if (found + 32 + MARGIN > c.capacity) {
            if (!gradient) return SIZE_MAX;
            found = SIZE_MAX;  // go on adding: the sum must be complete
            continue;
        }
        for (size_t j = 0; j < length; j++) {
            uint32_t raw = bits_of(x[i + j]);
            c.positions[found] = (uint32_t)(i + j);
            c.raw[found] = raw;
            found += (raw & MAGNITUDE) >= low;
        }
    }
    return found;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static size_t collect_avx512(const float *gradient, float *x, size_t n, uint32_t low, candidates c) {
    size_t found = 0, i = 0;
    __m512i magnitude = _mm512_set1_epi32((int)MAGNITUDE), bound = _mm512_set1_epi32((int)low);
    __m512i position = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), step = _mm512_set1_epi32(16);
    int overflow = 0;
    for (; i + 16 <= n; i += 16) {
        __m512 v = _mm512_loadu_ps(x + i);
        if (gradient) {
            v = _mm512_add_ps(_mm512_loadu_ps(gradient + i), v);
            _mm512_storeu_ps(x + i, v);
        }
        __m512i raw = _mm512_castps_si512(v);
        __mmask16 hit = _mm512_cmpge_epu32_mask(_mm512_and_si512(raw, magnitude), bound);
        if (found + 2 * MARGIN > c.capacity) {
            if (!gradient) return SIZE_MAX;
            overflow = 1;
            found = 0;
        }
        // Compressing into a register and storing whole is much faster than the masked compressing store on several CPUs.
        _mm512_storeu_si512(c.positions + found, _mm512_maskz_compress_epi32(hit, position));
        _mm512_storeu_si512(c.raw + found, _mm512_maskz_compress_epi32(hit, raw));
        found += (size_t)__builtin_popcount(hit);
        position = _mm512_add_epi32(position, step);
    }
    for (; i < n; i++) {
        if (gradient) x[i] = gradient[i] + x[i];
        uint32_t raw = bits_of(x[i]), key = raw & MAGNITUDE;
        c.positions[found] = (uint32_t)i;
        c.raw[found] = raw;
        found += key >= low && found + 2 * MARGIN < c.capacity;
        overflow |= key >= low && found + 2 * MARGIN >= c.capacity;
    }
    return overflow ? SIZE_MAX : found;
}
#endif

static size_t collect(const float *gradient, float *x, size_t n, uint32_t low, candidates c) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return collect_avx512(gradient, x, n, low, c);
#endif
    return collect_portable(gradient, x, n, low, c);
}

/// A key that about k + 4 standard deviations of the elements reach, from a sample; 0 where sampling does not pay.
static uint32_t sampled_bound(const float *gradient, const float *x, size_t n, size_t k) {
    if (n < 4 * SAMPLES || k > n / 4) return 0;
    uint32_t sample[SAMPLES];
    double stride = (double)n / SAMPLES;
    for (size_t j = 0; j < SAMPLES; j++) {
        // One draw in each stratum: a periodic gradient cannot hide from it, and near-equal spacing keeps the variance low.
        size_t i = (size_t)(stride * ((double)j + (double)unit_of(hash_index((uint32_t)j, 0x5eedu))));
        sample[j] = key_of(gradient ? gradient[i] + x[i] : x[i]);
    }
    double expected = (double)k / stride;
    double root = 1;
    for (int r = 0; r < 40; r++) root = 0.5 * (root + expected / root);
    size_t rank = (size_t)(expected + 4 * root + 8), greater;
    return kth_key(sample, SAMPLES, rank < SAMPLES ? rank : SAMPLES, &greater);
}

/// Keeps, in order, the keys above the k-th and as many equal ones as still fit.
static void finish(candidates c, size_t found, size_t k, uint32_t *positions, float *values) {
    size_t greater;
    uint32_t kth = kth_key(c.raw, found, k, &greater);
    size_t equal = k - greater, written = 0;
    for (size_t i = 0; i < found && written < k; i++) {
        uint32_t key = c.raw[i] & MAGNITUDE;
        size_t tied = (key == kth) & (equal > 0);
        equal -= tied;
        positions[written] = c.positions[i];
        if (values) values[written] = float_of(c.raw[i]);
        written += (key > kth) | tied;
    }
}

static int select_top(const float *gradient, float *x, size_t n, cn_selection out) {
    size_t k = out.count;
    uint32_t low = sampled_bound(gradient, x, n, k);
    size_t small = k + k / 2 + 8192, whole = n + 4 * MARGIN + 32;
    candidates c = {0, 0, low ? (small < whole ? small : whole) : whole};
    c.positions = malloc(c.capacity * 4);
    c.raw = malloc(c.capacity * 4);
    size_t found = SIZE_MAX;
    int status = -1;
    if (c.positions && c.raw) {
        found = collect(gradient, x, n, low, c);
        status = 0;
    }
    if (status == 0 && (found == SIZE_MAX || found < k)) {  // the sample misled: take everything
        free(c.positions);
        free(c.raw);
        c.capacity = whole;
        c.positions = malloc(whole * 4);
        c.raw = malloc(whole * 4);
        if (c.positions && c.raw) found = collect(NULL, x, n, 0, c);
        else status = -1;
    }
    if (status == 0) finish(c, found, k, out.positions, out.values);
    free(c.positions);
    free(c.raw);
    return status;
}

MULTIVERSION static void add_into(float *x, const float *gradient, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = gradient[i] + x[i];
}

static int select_trivial(const float *x, size_t n, cn_selection out) {
    if (out.count == 0) return 0;
    for (size_t i = 0; i < n; i++) out.positions[i] = (uint32_t)i;
    if (out.values) memcpy(out.values, x, n * 4);
    return 0;
}

int cn_accumulate_top_k(const float *gradient, float *residual, size_t n, cn_selection out) {
    if (out.count > 0 && out.count < n) return select_top(gradient, residual, n, out);
    add_into(residual, gradient, n);
    return select_trivial(residual, n, out);
}

int cn_top_k(const float *x, size_t n, cn_selection out) {
    if (out.count > 0 && out.count < n) return select_top(NULL, (float *)x, n, out);  // without a gradient `x` is only read
    return select_trivial(x, n, out);
}

void cn_zero_at(float *x, const uint32_t *positions, size_t k) {
    for (size_t i = 0; i < k; i++) x[positions[i]] = 0;
}

size_t cn_at_least(const float *x, size_t n, float threshold, uint32_t *positions) {
    uint32_t low = key_of(threshold);
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        if (key_of(x[i]) >= low) positions[found++] = (uint32_t)i;
    }
    return found;
}

void cn_gather(const float *x, const uint32_t *positions, size_t k, float *values) {
    for (size_t i = 0; i < k; i++) values[i] = x[positions[i]];
}

int cn_random_k(uint64_t n, size_t k, uint64_t seed, uint32_t *positions) {
    if (k > n) return -1;
    size_t found = 0;
    uint64_t state = seed;
    for (uint64_t i = 0; i < n && found < k; i++) {
        state += 0x9E3779B97F4A7C15ull;
        uint64_t z = state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        z ^= z >> 31;
        // Element i is taken with probability (k - found) / (n - i): every subset of size k is equally likely.
        if (((z >> 32) * (n - i)) >> 32 < k - found) positions[found++] = (uint32_t)i;
    }
    return 0;
}
