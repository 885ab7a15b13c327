#include "cnumerics.h"
#include "multiversion.h"

// Draws that are a pure function of (key, index): the finaliser of SplitMix64 (Steele, Lea, Flood 2014) over a Weyl sequence gives the uniform,
// algorithm AS 241 (Wichura 1988, doi:10.2307/2347330) its normal quantile, exact to 1e-16 and monotone.

static inline double unit(uint64_t key, uint64_t index) {
  uint64_t z = key + (index + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  z ^= z >> 31;
  return ((double)(z >> 11) + 0.5) * 0x1p-53;
}

static double tail_quantile(double p) {
  double q = p - 0.5;
  double r = __builtin_sqrt(-__builtin_log(q < 0 ? p : 1 - p));
  double value;
  if (r <= 5) {
    r -= 1.6;
    value = (((((((7.74545014278341407640e-4 * r + 2.27238449892691845833e-2) * r + 2.41780725177450611770e-1) * r + 1.27045825245236838258) * r
                + 3.64784832476320460504) * r + 5.76949722146069140550) * r + 4.63033784615654529590) * r + 1.42343711074968357734)
      / (((((((1.05075007164441684324e-9 * r + 5.47593808499534494600e-4) * r + 1.51986665636164571966e-2) * r + 1.48103976427480074590e-1) * r
             + 6.89767334985100004550e-1) * r + 1.67638483018380384940) * r + 2.05319162663775882187) * r + 1);
  } else {
    r -= 5;
    value = (((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 1.24266094738807843860e-3) * r + 2.65321895265761230930e-2) * r
                + 2.96560571828504891230e-1) * r + 1.78482653991729133580) * r + 5.46378491116411436990) * r + 6.65790464350110377720)
      / (((((((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r + 1.84631831751005468180e-5) * r + 7.86869131145613259100e-4) * r
             + 1.48753612908506148525e-2) * r + 1.36929880922735805310e-1) * r + 5.99832206555887937690e-1) * r + 1);
  }
  return q < 0 ? -value : value;
}

// |p - 1/2| <= 0.425: 85 of 100 draws, without a branch, so that the compiler makes vectors of them.
static inline double central_quantile(double q) {
  double r = 0.180625 - q * q;
  return q
    * (((((((2.5090809287301226727e+3 * r + 3.3430575583588128105e+4) * r + 6.7265770927008700853e+4) * r + 4.5921953931549871457e+4) * r
           + 1.3731693765509461125e+4) * r + 1.9715909503065514427e+3) * r + 1.3314166789178437745e+2) * r + 3.3871328727963666080)
    / (((((((5.2264952788528545610e+3 * r + 2.8729085735721942674e+4) * r + 3.9307895800092710610e+4) * r + 2.1213794301586595867e+4) * r
           + 5.3941960214247511077e+3) * r + 6.8718700749205790830e+2) * r + 4.2313330701600911252e+1) * r + 1);
}

double cn_uniform_at(uint64_t key, uint64_t index) { return unit(key, index); }

double cn_normal_at(uint64_t key, uint64_t index) {
  double p = unit(key, index), q = p - 0.5;
  return q >= -0.425 && q <= 0.425 ? central_quantile(q) : tail_quantile(p);
}

#define BLOCK 64

MULTIVERSION static void normals(double *out, size_t n, uint64_t key, uint64_t first) {
  double p[BLOCK];
  for (size_t i = 0; i < n; i++) p[i] = unit(key, first + i);
  for (size_t i = 0; i < n; i++) out[i] = central_quantile(p[i] - 0.5);
  for (size_t i = 0; i < n; i++)
    if (p[i] < 0.075 || p[i] > 0.925) out[i] = tail_quantile(p[i]);
}

void cn_normals_f64(double *out, size_t n, uint64_t key, uint64_t first) {
  for (size_t i = 0; i < n; i += BLOCK) normals(out + i, n - i < BLOCK ? n - i : BLOCK, key, first + i);
}

void cn_noisy_quadratic_f64(double *g, const double *x, const double *h, const double *deviation, size_t n, const cn_noise *noise) {
  double z[BLOCK];
  for (size_t i = 0; i < n; i += BLOCK) {
    size_t m = n - i < BLOCK ? n - i : BLOCK;
    normals(z, m, noise->key, i);
    for (size_t j = 0; j < m; j++) g[i + j] = h[i + j] * x[i + j] + noise->scale * deviation[i + j] * z[j];
  }
}

void cn_noisy_quadratic_f32(float *g, const float *x, const double *h, const double *deviation, size_t n, const cn_noise *noise) {
  double z[BLOCK];
  for (size_t i = 0; i < n; i += BLOCK) {
    size_t m = n - i < BLOCK ? n - i : BLOCK;
    normals(z, m, noise->key, i);
    for (size_t j = 0; j < m; j++) g[i + j] = (float)(h[i + j] * (double)x[i + j] + noise->scale * deviation[i + j] * z[j]);
  }
}
