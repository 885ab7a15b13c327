import Calibration
import Glibc
import Plan
import Scenario

/// The most probable constants given a user's runs, where any run may be of another state than its layout's ordinary one.
///
/// The likelihood of a run is a mixture: the ordinary state with what the stack's rows scatter by, the slow state where the stack has one
/// (`SlowState`), and a broad one for all that can go wrong with a measurement. Each step weighs a run by the probability that it is of the ordinary
/// state (expectation maximisation). The posterior has several modes where runs are few, so steps start from the shipped constants and from draws of
/// the prior.
struct AnchorFit {
    private let prior: Prior
    var fit: ProfileFit { prior.fit }
    /// [parameters] logarithms, and their standard deviations.
    private(set) var values: [Double] = []
    private(set) var sigmas: [Double] = []
    /// [runs] ln(measured / predicted).
    private(set) var residuals: [Double] = []
    /// [runs] probability of the ordinary state.
    private(set) var shares: [Double] = []
    private var cost = Double.infinity

    /// Share of the measurements that something went wrong with, and the deviation of their logarithm.
    private static let faults = 0.02
    private static let wide = 1.2
    /// Starts beside the shipped constants, and steps from each.
    private static let draws = 7
    private static let steps = 8

    /// Standard deviation that one run of a stack has beside what constants can mend: repeats differ by 5 %, and rows from any model of theirs by what
    /// the calibration found of the stack. Of a stack that it does not know, one or two runs cannot tell their own deviation from the stack's, so
    /// that of all stacks stands for it; more can, and a tenth is taken.
    static func noise(_ run: PreparedRun, of count: Int, _ profiles: ProfileTable) -> Double {
        let unknown = count < 3 ? profiles.residual["generic"] ?? 0.15 : 0.1
        let own = profiles.residual[run.plan.behaviour.stack] ?? unknown
        return (0.05 * 0.05 + own * own).squareRoot()
    }

    /// Relative spread that what published runs have shown may have in a user's.
    private static let known = 0.04

    /// The unknowns of some runs, and their slopes at the shipped constants.
    ///
    /// Where published runs showed a scope, its constants are known together far better than one by one (the profiles keep no covariances), so their
    /// spreads are scaled down until they leave four per cent of the step time, as sources of the calibration do among each other. Scopes
    /// that no run showed keep what the prior gives them.
    /// - Throws: `CalibrationError` where a run cannot be timed.
    static func prior(_ runs: [PreparedRun], data: CalibrationData) throws(CalibrationError) -> Prior {
        let fit = ProfileFit(runs: runs, data: data, fitted: data.profiles)
        let rows = try fit.linearise(at: fit.parameters.map { _ in 0 }, used: Array(repeating: true, count: runs.count))
        let shown = Set(data.profiles.adjustments.map(\.scope))
        var variance = 0.0
        for row in rows {
            for term in row.gradient where shown.contains(fit.parameters[term.index].scope) {
                let part = term.value * fit.parameters[term.index].sigma
                variance += part * part / Double(rows.count)
            }
        }
        let factor = min(1, Self.known / max(1e-9, variance.squareRoot()))
        return Prior(fit: fit.narrowed(shown, by: factor), rows: rows, shown: shown, factor: factor)
    }

    struct Prior {
        var fit: ProfileFit
        /// [runs] slopes at the shipped constants.
        var rows: [ProfileFit.Row]
        /// Scopes that published runs showed, and what the spreads of their constants were multiplied by.
        var shown: Set<Scope>
        var factor: Double
    }

    /// Standard deviation that the runs leave of an unknown, in the measure of the profiles: the share that they took of what it had.
    func sigma(_ index: Int) -> Double {
        sigmas[index] / (prior.shown.contains(fit.parameters[index].scope) ? max(1e-9, prior.factor) : 1)
    }

    /// - Throws: `CalibrationError` where a run cannot be timed.
    init(_ runs: [PreparedRun], data: CalibrationData) throws(CalibrationError) {
        prior = try Self.prior(runs, data: data)
        let noise = runs.map { Self.noise($0, of: runs.count, data.profiles) }
        let slow = runs.map { SlowState(of: $0.plan) }
        var starts: [[Double]] = [fit.parameters.map { _ in 0 }]
        if runs.count >= 3 {
            var state: UInt64 = 7
            func uniform() -> Double {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Double(state >> 11) / Double(1 << 53)
            }
            for _ in 0..<Self.draws { starts.append(fit.parameters.map { $0.sigma * (uniform() + uniform() + uniform() - 1.5) * 2 }) }
        }
        for start in starts { try descend(from: start, runs: runs, noise: noise, slow: slow) }
    }

    private mutating func descend(from start: [Double], runs: [PreparedRun], noise: [Double], slow: [SlowState?]) throws(CalibrationError) {
        let used = Array(repeating: true, count: runs.count)
        var place = start
        var spreads = fit.parameters.map(\.sigma)
        for step in 0..<Self.steps {
            var rows = try fit.linearise(at: place, used: used)
            for index in rows.indices {
                // The first steps believe every run, so that a new stack can come near its own.
                let share = step < 3 ? 1 : Self.likelihood(runs[index], rows[index].residual, noise[index], slow[index]).share
                let factor = share.squareRoot() / noise[index]
                rows[index].residual *= factor
                for term in rows[index].gradient.indices { rows[index].gradient[term].value *= factor }
            }
            (place, spreads) = try fit.advance(from: place, rows: rows, used: used, damping: 0.9, scale: 1, isRobust: false)
        }
        let times = try fit.predictions(place, only: used)
        let off = runs.indices.map { log(runs[$0].run.stepTimeS / times[$0]) }
        let seen = runs.indices.map { Self.likelihood(runs[$0], off[$0], noise[$0], slow[$0]) }
        let prior = zip(place, fit.parameters).reduce(0) { $0 + $1.0 * $1.0 / $1.1.sigma / $1.1.sigma }
        let total = seen.reduce(prior) { $0 - 2 * log(max(1e-300, $1.density)) }
        guard total < cost else { return }
        (values, sigmas, residuals, shares, cost) = (place, spreads, off, seen.map(\.share), total)
    }

    /// Density of a residual, and the ordinary state's share in it.
    private static func likelihood(_ run: PreparedRun, _ residual: Double, _ noise: Double, _ slow: SlowState?) -> (
        density: Double, share: Double
    ) {
        func normal(_ x: Double, _ sigma: Double) -> Double { exp(-0.5 * x * x / sigma / sigma) / sigma / (2 * Double.pi).squareRoot() }
        let second = slow?.probability ?? 0
        let ordinary = (1 - second - faults) * normal(residual, noise)
        var density = ordinary + faults * normal(residual, wide)
        if let slow, second > 0 {
            // The predicted step of the slow state takes `added` seconds more.
            let predicted = run.run.stepTimeS / exp(residual)
            density += second * normal(log(run.run.stepTimeS / (predicted + slow.added)), SlowState.spread)
        }
        return (density, density > 0 ? ordinary / density : 0)
    }
}
