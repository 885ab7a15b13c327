// Included once for float and once for double; REAL, SUFFIX and ROOT are set by the includer. No guard on purpose.
#define NAME_(base, suffix) cn_##base##_##suffix
#define NAME__(base, suffix) NAME_(base, suffix)
#define NAME(base) NAME__(base, SUFFIX)

/// y += a x
MULTIVERSION void NAME(axpy)(REAL *y, const REAL *x, size_t n, REAL a) {
    for (size_t i = 0; i < n; i++) y[i] += a * x[i];
}

MULTIVERSION void NAME(scale)(REAL *y, size_t n, REAL a) {
    for (size_t i = 0; i < n; i++) y[i] *= a;
}

/// Limits every element to +-limit; a NaN stays.
MULTIVERSION void NAME(clamp)(REAL *y, size_t n, REAL limit) {
    for (size_t i = 0; i < n; i++) {
        REAL v = y[i] > limit ? limit : y[i];
        y[i] = v < -limit ? -limit : v;
    }
}

/// y = keep y + add x
MULTIVERSION void NAME(blend)(REAL *y, const REAL *x, size_t n, REAL keep, REAL add) {
    for (size_t i = 0; i < n; i++) y[i] = keep * y[i] + add * x[i];
}

/// g += lambda g^2 (now - then): DC-ASGD (arXiv:1609.08326, equation 10).
MULTIVERSION void NAME(delay_compensate)(REAL *g, const REAL *now, const REAL *then, size_t n, REAL lambda) {
    for (size_t i = 0; i < n; i++) g[i] += lambda * g[i] * g[i] * (now[i] - then[i]);
}

MULTIVERSION void NAME(sgd)(REAL *p, const REAL *g, REAL *momentum, size_t n, const cn_sgd *s) {
    REAL rate = (REAL)s->rate, mu = (REAL)s->momentum, decay = (REAL)s->weight_decay;
    REAL add = s->first ? (REAL)1 : (REAL)(1 - s->dampening);
    REAL keep = s->first ? (REAL)0 : mu;
    if (s->momentum == 0) {
        for (size_t i = 0; i < n; i++) p[i] -= rate * (g[i] + decay * p[i]);
    } else if (s->nesterov) {
        for (size_t i = 0; i < n; i++) {
            REAL d = g[i] + decay * p[i];
            REAL b = keep * momentum[i] + add * d;
            momentum[i] = b;
            p[i] -= rate * (d + mu * b);
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            REAL b = keep * momentum[i] + add * (g[i] + decay * p[i]);
            momentum[i] = b;
            p[i] -= rate * b;
        }
    }
}

MULTIVERSION void NAME(adam)(REAL *p, const REAL *g, REAL *m, REAL *v, size_t n, const cn_adam *s) {
    REAL b1 = (REAL)s->beta1, a1 = (REAL)(1 - s->beta1), b2 = (REAL)s->beta2, a2 = (REAL)(1 - s->beta2);
    REAL step = (REAL)(s->rate / s->correction1), epsilon = (REAL)s->epsilon;
    REAL root = (REAL)(1 / __builtin_sqrt(s->correction2));
    REAL coupled = s->decoupled ? (REAL)0 : (REAL)s->weight_decay;
    REAL keep = s->decoupled ? (REAL)(1 - s->rate * s->weight_decay) : (REAL)1;
    for (size_t i = 0; i < n; i++) {
        REAL d = g[i] + coupled * p[i];
        REAL first = b1 * m[i] + a1 * d;
        REAL second = b2 * v[i] + a2 * d * d;
        m[i] = first;
        v[i] = second;
        p[i] = keep * p[i] - step * first / (ROOT(second) * root + epsilon);
    }
}

/// The bias-corrected Adam direction without applying it; m and v advance.
MULTIVERSION void NAME(adam_direction)(REAL *out, const REAL *g, REAL *m, REAL *v, size_t n, const cn_adam *s) {
    REAL b1 = (REAL)s->beta1, a1 = (REAL)(1 - s->beta1), b2 = (REAL)s->beta2, a2 = (REAL)(1 - s->beta2);
    REAL scale = (REAL)(1 / s->correction1), epsilon = (REAL)s->epsilon;
    REAL root = (REAL)(1 / __builtin_sqrt(s->correction2));
    for (size_t i = 0; i < n; i++) {
        REAL first = b1 * m[i] + a1 * g[i];
        REAL second = b2 * v[i] + a2 * g[i] * g[i];
        m[i] = first;
        v[i] = second;
        out[i] = scale * first / (ROOT(second) * root + epsilon);
    }
}

MULTIVERSION void NAME(lion)(REAL *p, const REAL *g, REAL *m, size_t n, const cn_lion *s) {
    REAL rate = (REAL)s->rate, decay = (REAL)s->weight_decay;
    REAL b1 = (REAL)s->beta1, a1 = (REAL)(1 - s->beta1), b2 = (REAL)s->beta2, a2 = (REAL)(1 - s->beta2);
    for (size_t i = 0; i < n; i++) {
        REAL u = b1 * m[i] + a1 * g[i];
        m[i] = b2 * m[i] + a2 * g[i];
        REAL sign = u > 0 ? (REAL)1 : u < 0 ? (REAL)-1 : u;  // a NaN passes through
        p[i] -= rate * (sign + decay * p[i]);
    }
}

/// Sums of squares of `g` [rows][columns] along each row and each column (zeroed first).
MULTIVERSION void NAME(square_sums)(const REAL *g, size_t rows, size_t columns, double *by_row, double *by_column) {
    for (size_t j = 0; j < columns; j++) by_column[j] = 0;
    for (size_t i = 0; i < rows; i++) {
        double lane[16] = {0};
        for (size_t j = 0; j < columns; j++) {
            double square = (double)g[i * columns + j] * (double)g[i * columns + j];
            by_column[j] += square;
            lane[j & 15] += square;
        }
        by_row[i] = 0;
        for (size_t j = 0; j < 16; j++) by_row[i] += lane[j];
    }
}

/// step = g / sqrt(max(row column / mean, least)), the factored second moment of Adafactor.
MULTIVERSION void NAME(factored_step)(REAL *step, const REAL *row, const REAL *column, const size_t shape[2], REAL mean, REAL least) {
    for (size_t i = 0; i < shape[0]; i++) {
        REAL *s = step + i * shape[1];
        for (size_t j = 0; j < shape[1]; j++) {
            REAL variance = row[i] * column[j] / mean;
            s[j] *= 1 / ROOT(variance > least ? variance : least);
        }
    }
}

/// update = -base / (1 + damping |m|) g; p += update; m = keep m + (1 - keep) update.
MULTIVERSION void NAME(damped)(REAL *p, const REAL *g, REAL *m, size_t n, const double s[3]) {
    REAL base = (REAL)s[0], damping = (REAL)s[1], keep = (REAL)s[2], add = (REAL)(1 - s[2]);
    for (size_t i = 0; i < n; i++) {
        REAL size = m[i] < 0 ? -m[i] : m[i];
        REAL update = -base / (1 + damping * size) * g[i];
        p[i] += update;
        m[i] = keep * m[i] + add * update;
    }
}

#undef NAME
#undef NAME_
#undef NAME__
