import CGSL
import Glibc

/// An unknown of a non-linear fit. It is fitted as a coordinate without bounds: the logarithm, or the logit of its place between two bounds.
struct FitUnknown: Sendable, Hashable {
    var name: String
    var start: Double
    /// Standard deviation of the coordinate beforehand; wide where little is known, but never infinite, so that what the data do not
    /// determine stays where it began.
    var sigma: Double
    /// nil: any positive number.
    var range: ClosedRange<Double>?

    init(_ name: String, start: Double, sigma: Double, range: ClosedRange<Double>? = nil) {
        self.name = name
        self.start = start
        self.sigma = sigma
        self.range = range
    }

    func coordinate(_ value: Double) -> Double {
        guard let range else { return log(max(1e-300, value)) }
        let share = min(1 - 1e-9, max(1e-9, (value - range.lowerBound) / (range.upperBound - range.lowerBound)))
        return log(share / (1 - share))
    }

    func value(_ coordinate: Double) -> Double {
        guard let range else { return exp(min(700, max(-700, coordinate))) }
        return range.lowerBound + (range.upperBound - range.lowerBound) / (1 + exp(-coordinate))
    }

    /// d value / d coordinate
    func slope(_ coordinate: Double) -> Double {
        guard let range else { return value(coordinate) }
        let share = 1 / (1 + exp(-coordinate))
        return (range.upperBound - range.lowerBound) * share * (1 - share)
    }
}

/// Non-linear least squares that outliers do not bend: GSL's trust region (Levenberg-Marquardt) inside iterated Cauchy weights
/// w = 1/(1 + (r / 2.385 s)^2), s the median absolute residual over .6745 (Holland and Welsch 1977, 95 % efficient on normal noise).
struct RobustFit {
    let unknowns: [FitUnknown]
    /// Residuals at the given values of the unknowns, [points].
    let residuals: ([Double], inout [Double]) -> Void
    /// Prior weight of each point, [points].
    let weights: [Double]

    struct Solution {
        /// [unknowns]
        var values: [Double]
        /// [unknowns x unknowns] of the coordinates: for a positive unknown, relative variances.
        var covariance: [Double]
        /// Robust standard deviation of the residuals.
        var scale: Double
        /// Sum over points of the Cauchy loss at a fixed scale of 5 %: what starts are compared by.
        var loss: Double
        var roundsOfWeights: Int
    }

    private static let tuning = 2.385

    /// The best of fits from several starts, [starts][unknowns].
    /// - Throws: `CalibrationError` where no start converges.
    func solve(starts: [[Double]]) throws(CalibrationError) -> Solution {
        gsl_set_error_handler_off()
        guard weights.count >= unknowns.count else {
            throw CalibrationError("\(weights.count) points cannot determine \(unknowns.count) unknowns")
        }
        var best: Solution?
        var reason = "no start was given"
        for start in starts {
            do throws(CalibrationError) {
                let solution = try solve(from: start)
                if solution.loss < best?.loss ?? .infinity { best = solution }
            } catch { reason = error.message }
        }
        guard let best else { throw CalibrationError("the fit did not converge from any of \(starts.count) starts: \(reason)") }
        return best
    }

    private func solve(from start: [Double]) throws(CalibrationError) -> Solution {
        var place = zip(unknowns, start).map { $0.coordinate($1) }
        var out = [Double](repeating: 0, count: weights.count)
        residuals(values(place), &out)
        guard out.allSatisfy(\.isFinite) else { throw CalibrationError("the formula is not finite at the start") }
        var scale = self.scale(out)
        var rounds = 0
        for round in 1...15 {
            rounds = round
            let robust = out.enumerated().map { index, residual in
                let ratio = residual / (Self.tuning * scale)
                return weights[index] / (1 + ratio * ratio)
            }
            // The first rounds need no digits: their weights change anyhow.
            let moved = try minimise(from: place, weights: robust, scale: scale, tolerance: round < 3 ? 1e-3 : 1e-7)
            let change = zip(moved, place).map { abs($0 - $1) }.max() ?? 0
            place = moved
            residuals(values(place), &out)
            let next = self.scale(out)
            let isSettled = change < 1e-5 && abs(next - scale) < 1e-4 * scale
            scale = next
            if isSettled { break }
        }
        let loss = zip(out, weights).reduce(0) { $0 + $1.1 * log(1 + ($1.0 / 0.05) * ($1.0 / 0.05)) }
        return Solution(
            values: values(place), covariance: try covariance(at: place, residuals: out, scale: scale), scale: scale, loss: loss,
            roundsOfWeights: rounds)
    }

    private func values(_ place: [Double]) -> [Double] { zip(unknowns, place).map { $0.value($1) } }

    /// Weighted median of |r| over .6745, never below a ten-thousandth: exact data have no scale.
    private func scale(_ residuals: [Double]) -> Double {
        let sorted = residuals.indices.sorted { abs(residuals[$0]) < abs(residuals[$1]) }
        let total = weights.reduce(0, +)
        var sum = 0.0
        for index in sorted {
            sum += weights[index]
            if sum >= 0.5 * total {
                let freedom = Double(weights.count) / Double(max(1, weights.count - unknowns.count))
                return max(1e-4, abs(residuals[index]) / 0.6745 * freedom.squareRoot())
            }
        }
        return 1e-4
    }

    /// One weighted problem; the priors are rows of their own behind the points.
    private func minimise(
        from place: [Double], weights: [Double], scale: Double, tolerance: Double
    ) throws(CalibrationError) -> [Double] {
        let (n, p) = (weights.count + unknowns.count, unknowns.count)
        let call = Callback(fit: self)
        var parameters = gsl_multifit_nlinear_default_parameters()
        parameters.trs = orrery_multifit_lm()
        parameters.scale = orrery_multifit_scale_more()
        parameters.solver = orrery_multifit_cholesky()
        guard let workspace = gsl_multifit_nlinear_alloc(orrery_multifit_trust(), &parameters, n, p), let x = gsl_vector_alloc(p),
            let w = gsl_vector_alloc(n)
        else { throw CalibrationError("no memory for a fit of \(n) residuals") }
        defer {
            gsl_multifit_nlinear_free(workspace)
            gsl_vector_free(x)
            gsl_vector_free(w)
        }
        for (index, value) in place.enumerated() { gsl_vector_set(x, index, value) }
        for (index, weight) in weights.enumerated() { gsl_vector_set(w, index, weight) }
        for (index, unknown) in unknowns.enumerated() {
            gsl_vector_set(w, weights.count + index, scale * scale / (unknown.sigma * unknown.sigma))
        }
        var system = gsl_multifit_nlinear_fdf()
        system.n = n
        system.p = p
        system.params = Unmanaged.passUnretained(call).toOpaque()
        system.f = { x, context, out in
            guard let x, let context, let out else { return Int32(GSL_EFAULT) }
            return Unmanaged<Callback>.fromOpaque(context).takeUnretainedValue().evaluate(x, out)
        }
        return try withExtendedLifetime(call) { () throws(CalibrationError) -> [Double] in
            var code = gsl_multifit_nlinear_winit(x, w, &system, workspace)
            guard code == 0 else { throw CalibrationError("GSL: \(Self.message(code))") }
            var why: Int32 = 0
            code = gsl_multifit_nlinear_driver(100, tolerance, 1e-9, 0, nil, nil, &why, workspace)
            if code != 0 {
                // At the limit of the digits no step makes progress any more; that is an end if a coarser test says so.
                let isEnd = gsl_multifit_nlinear_test(1e-3, 1e-3, 0, &why, workspace)
                guard code == Int32(GSL_ENOPROG) || isEnd == 0 else { throw CalibrationError("GSL: \(Self.message(code))") }
            }
            guard let position = gsl_multifit_nlinear_position(workspace) else { throw CalibrationError("GSL gave no position") }
            let result = (0..<p).map { gsl_vector_get(position, $0) }
            guard result.allSatisfy(\.isFinite) else { throw CalibrationError("a parameter is not finite") }
            return result
        }
    }

    private static func message(_ code: Int32) -> String { gsl_strerror(code).map { String(cString: $0) } ?? "error \(code)" }

    /// Asymptotic covariance of an M-estimate (Huber 1981, section 7.6): information = (mean psi')^2 / mean psi^2 x J^T J / s^2 + priors.
    private func covariance(at place: [Double], residuals base: [Double], scale: Double) throws(CalibrationError) -> [Double] {
        let p = unknowns.count
        var columns: [[Double]] = []
        var moved = base
        let step = 1e-5
        for index in 0..<p {
            var (up, down) = (place, place)
            up[index] += step
            down[index] -= step
            residuals(values(up), &moved)
            let above = moved
            residuals(values(down), &moved)
            columns.append(zip(above, moved).map { ($0 - $1) / (2 * step) })
        }
        var (slope, square, total) = (0.0, 0.0, 0.0)
        for (residual, weight) in zip(base, weights) {
            let z = residual / scale
            let q = 1 + (z / Self.tuning) * (z / Self.tuning)
            slope += weight * (2 - q) / (q * q)
            square += weight * (z / q) * (z / q)
            total += weight
        }
        let freedom = Double(base.count) / Double(max(1, base.count - p))
        let mean = max(0.05, slope / total)
        let efficiency = mean * mean / max(1e-12, square / total * freedom)
        var equations = NormalEquations(size: p)
        for (point, weight) in weights.enumerated() {
            equations.add(
                row: (0..<p).map { ($0, columns[$0][point]) }, residual: 0, weight: weight * efficiency / (scale * scale))
        }
        for (index, unknown) in unknowns.enumerated() { equations.addPrior(index: index, sigma: unknown.sigma, distance: 0) }
        return try equations.solveWithInverse().inverse
    }

    /// What GSL calls back; lives as long as the solver.
    private final class Callback {
        private let fit: RobustFit
        private let centre: [Double]
        private var out: [Double]
        init(fit: RobustFit) {
            self.fit = fit
            centre = fit.unknowns.map { $0.coordinate($0.start) }
            out = Array(repeating: 0, count: fit.weights.count)
        }

        func evaluate(_ x: UnsafePointer<gsl_vector>, _ result: UnsafeMutablePointer<gsl_vector>) -> Int32 {
            let place = fit.unknowns.indices.map { gsl_vector_get(x, $0) }
            fit.residuals(fit.values(place), &out)
            for (index, residual) in out.enumerated() {
                guard residual.isFinite else { return Int32(GSL_EDOM) }
                gsl_vector_set(result, index, residual)
            }
            for index in place.indices { gsl_vector_set(result, out.count + index, place[index] - centre[index]) }
            return 0
        }
    }
}
