#pragma once
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <gsl/gsl_matrix.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <gsl/gsl_qrng.h>
#include <gsl/gsl_vector.h>

// Swift 6 rejects mutable C globals as not safe for concurrency, so they are reached through functions.
static inline const gsl_multifit_nlinear_type *orrery_multifit_trust(void) { return gsl_multifit_nlinear_trust; }
static inline const gsl_multifit_nlinear_trs *orrery_multifit_lm(void) { return gsl_multifit_nlinear_trs_lm; }
static inline const gsl_multifit_nlinear_scale *orrery_multifit_scale_more(void) { return gsl_multifit_nlinear_scale_more; }
static inline const gsl_multifit_nlinear_solver *orrery_multifit_cholesky(void) { return gsl_multifit_nlinear_solver_cholesky; }

static inline const gsl_qrng_type *orrery_qrng_sobol(void) { return gsl_qrng_sobol; }
