import Calibration
import Glibc
import Plan
import Quantities
import Simulation

/// Fits the adjustments of all profiles to measured runs at once: Gauss-Newton on log step times with Gaussian priors on every parameter, so that
/// stacks with few rows inherit from all the others, and Cauchy weights 1/(1 + (r/2s)^2) on the residuals, so that rows that no smooth model meets
/// (slow nodes, allocator retries) do not bend the rest.
public struct ProfileFit: Sendable {
    public let runs: [PreparedRun]
    public let data: CalibrationData
    public private(set) var parameters: [FitParameter]
    /// Adjustments that the unknowns come on top of.
    private let base: [Adjustment]
    /// [runs] parameters that apply to each.
    private let applying: [[Int]]
    private let target: [Double]
    private let weights: [Double]
    /// Residual scale: relative error that one row is expected to have.
    static let scale = 0.03
    /// Scales of the first steps of a fit from the priors: rows far from them must pull before rows that nothing explains can be told from them.
    static let firstScales = [0.2, 0.12, 0.08, 0.05]
    static let step = 0.02

    public struct Solution: Sendable {
        /// [parameters] logarithms.
        public var values: [Double]
        /// [parameters] standard deviations after the fit.
        public var sigmas: [Double]
    }

    /// - Parameter fitted: where the fit begins and what it left of each constant; nil: at the priors, with their spreads.
    public init(runs: [PreparedRun], data: CalibrationData, fitted: ProfileTable? = nil) {
        base = fitted?.adjustments ?? []
        self.runs = runs
        self.data = data
        let every = FitParameters.list(for: runs.map(\.plan.profile), priors: data.priors, fitted: fitted)
        // Unknowns that no run shows anything about stay at their priors and need no place in the equations.
        var byScope: [Scope: [Int]] = [:]
        for (index, parameter) in every.enumerated() { byScope[parameter.scope, default: []].append(index) }
        let acting = runs.map { run in
            run.plan.profile.scopes.flatMap { byScope[$0] ?? [] }.filter { run.mayDepend(on: every[$0].constant) }
        }
        var place = [Int?](repeating: nil, count: every.count)
        var list: [FitParameter] = []
        for index in Set(acting.joined()).sorted() {
            place[index] = list.count
            list.append(every[index])
        }
        parameters = list
        applying = acting.map { $0.compactMap { place[$0] }.sorted() }
        target = runs.map { log($0.run.stepTimeS) }
        weights = runs.map(\.run.weight)
    }

    /// The same unknowns with less room beforehand: the spreads of those in some scopes times a factor.
    func narrowed(_ scopes: Set<Scope>, by factor: Double) -> ProfileFit {
        var copy = self
        copy.parameters = parameters.map {
            scopes.contains($0.scope) ? FitParameter(constant: $0.constant, scope: $0.scope, sigma: $0.sigma * factor) : $0
        }
        return copy
    }

    /// - Parameters:
    ///   - used: [runs] whether a row takes part
    ///   - start: where to begin; nil: the priors
    /// - Throws: `CalibrationError` where a run cannot be timed or the equations cannot be solved.
    public func solve(
        used: [Bool], start: [Double]? = nil, iterations: Int, progress: (String) -> Void = { _ in }
    ) throws(CalibrationError) -> Solution {
        var values = start ?? Array(repeating: 0, count: parameters.count)
        var sigmas = parameters.map(\.sigma)
        for iteration in 0..<iterations {
            let rows = try linearise(at: values, used: used)
            progress(
                "step \(iteration + 1) of \(iterations): median error \(Self.median(rows.indices.filter { used[$0] }.map { abs(rows[$0].residual) }))"
            )
            let scale = start == nil && iteration < Self.firstScales.count ? Self.firstScales[iteration] : Self.scale
            (values, sigmas) = try advance(
                from: values, rows: rows, used: used, damping: start == nil && iteration < 2 ? 0.6 : 0.9, scale: scale)
        }
        return Solution(values: values, sigmas: sigmas)
    }

    public struct Row: Sendable {
        public var residual: Double
        public var gradient: [(index: Int, value: Double)]
    }

    func advance(
        from values: [Double], rows: [Row], used: [Bool], damping: Double, scale: Double = Self.scale, isRobust: Bool = true
    ) throws(CalibrationError) -> (values: [Double], sigmas: [Double]) {
        var equations = NormalEquations(size: parameters.count)
        for (index, row) in rows.enumerated() where used[index] {
            let ratio = row.residual / (2 * scale)
            let robust = isRobust ? 1 / (1 + ratio * ratio) : 1
            equations.add(row: row.gradient, residual: row.residual, weight: weights[index] * robust / (scale * scale))
        }
        for (index, parameter) in parameters.enumerated() {
            equations.addPrior(index: index, sigma: parameter.sigma, distance: values[index])
        }
        let (step, variances) = try equations.solve()
        let next = zip(values, step).map { $0 + max(-0.5, min(0.5, $1)) * damping }
        return (next, variances.map { $0.squareRoot() })
    }

    private static func median(_ values: [Double]) -> String {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return "-" }
        return "\((sorted[sorted.count / 2] * 1000).rounded() / 10) %"
    }

    /// Weight of a row's square in the equations: less for one far from what the fit says (Cauchy).
    func weight(of index: Int, residual: Double) -> Double {
        let ratio = residual / (2 * Self.scale)
        return weights[index] / (1 + ratio * ratio) / (Self.scale * Self.scale)
    }

    /// Residuals and their slopes at `values`, row by row, in parallel; the result does not depend on how many work on it.
    public func linearise(at values: [Double], used: [Bool]) throws(CalibrationError) -> [Row] {
        try map(used, absent: Row(residual: 0, gradient: [])) { index throws(CalibrationError) in try row(index, values) }
    }

    /// `body` of every run that is used, by as many threads as there are cores: [runs].
    private func map<Value: Sendable>(
        _ used: [Bool], absent: Value, _ body: @Sendable (Int) throws(CalibrationError) -> Value
    ) throws(CalibrationError) -> [Value] {
        let results = parallelMap(Array(runs.indices), jobs: runs.count) { index in
            Result { () throws(CalibrationError) in used[index] ? try body(index) : absent }
        }
        var values: [Value] = []
        for result in results { values.append(try result.get()) }
        return values
    }

    private func row(_ index: Int, _ values: [Double]) throws(CalibrationError) -> Row {
        let base = try logSeconds(index, values)
        // A constant is the product of its factors in all scopes, so the slope is the same for each of them and is taken once.
        var slopes: [Constant: Double] = [:]
        var gradient: [(index: Int, value: Double)] = []
        var moved = values
        for parameter in applying[index] {
            let constant = parameters[parameter].constant
            let slope: Double
            if let known = slopes[constant] {
                slope = known
            } else {
                moved[parameter] = values[parameter] + Self.step
                slope = (try logSeconds(index, moved) - base) / Self.step
                moved[parameter] = values[parameter]
                slopes[constant] = slope
            }
            if abs(slope) > 1e-9 { gradient.append((parameter, slope)) }
        }
        return Row(residual: target[index] - base, gradient: gradient)
    }

    /// Logarithm of the predicted seconds of run `index`.
    func logSeconds(_ index: Int, _ values: [Double]) throws(CalibrationError) -> Double {
        let key = runs[index].plan.profile
        let constants = table(values, parameters: applying[index]).constants(for: key, priors: data.priors)
        do { return log(try runs[index].seconds(constants)) } catch {
            throw CalibrationError("\(runs[index].run.id): \(error)")
        }
    }

    /// Predicted seconds of every run, [runs].
    public func predictions(_ values: [Double], only used: [Bool]) throws(CalibrationError) -> [Double] {
        try map(used, absent: 0) { index throws(CalibrationError) in exp(try logSeconds(index, values)) }
    }

    private func table(_ values: [Double], parameters chosen: [Int]) -> ProfileTable {
        ProfileTable(
            adjustments: base
                + chosen.map {
                    Adjustment(constant: parameters[$0].constant, scope: parameters[$0].scope, log: values[$0], sigma: 0)
                },
            residual: [:], provenance: "")
    }

    /// The solution as a profile file.
    public func profile(_ solution: Solution, residual: [String: Double], provenance: String) -> ProfileTable {
        var adjustments: [Adjustment] = []
        for (index, parameter) in parameters.enumerated()
        where abs(solution.values[index]) > 5e-4 || solution.sigmas[index] < 0.98 * parameter.sigma {
            adjustments.append(
                Adjustment(constant: parameter.constant, scope: parameter.scope, log: solution.values[index], sigma: solution.sigmas[index])
            )
        }
        return ProfileTable(adjustments: adjustments, residual: residual, provenance: provenance)
    }
}
