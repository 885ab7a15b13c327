import Cost
import Plan
import Scenario
import Simulation

/// What the user's own measured runs changed of the calibration.
public struct AnchoredReport: Sendable, Hashable {
    public struct Shift: Sendable, Hashable {
        /// Constant and scope.
        public var constant: String
        public var from: Double
        public var to: Double
        public init(constant: String, from: Double, to: Double) {
            self.constant = constant
            self.from = from
            self.to = to
        }
    }
    public var rows: Int
    public var shifted: [Shift]
    public init(rows: Int, shifted: [Shift]) {
        self.rows = rows
        self.shifted = shifted
    }
}

/// One finished run with all that a page or a file says about it.
public struct RunReport: Sendable {
    public var scenario: String
    /// Of the canonical scenario, in hex.
    public var hash: String
    /// Of the program that made it.
    public var version: String
    public var seed: UInt64
    /// Whether the layout is legal and fits.
    public var valid: Bool
    /// Remarks on the scenario; those of the simulation stand in `result`.
    public var warnings: [String]
    public var job: Job
    public var result: RunResult
    public var bill: Bill
    /// Key of a price to where it comes from.
    public var priceSources: [String: String] = [:]
    /// Changes of the layout that would make it fit, best first.
    public var suggestions: [String] = []
    /// The user's own runs that updated the calibration.
    public var anchored: AnchoredReport?

    public init(
        scenario: Scenario, version: String, result: RunResult, bill: Bill
    ) {
        self.scenario = scenario.name
        self.hash = scenario.hash
        self.version = version
        self.seed = scenario.settings.seed
        self.valid = result.memory.fits
        self.warnings = scenario.warnings
        self.job = scenario.job
        self.result = result
        self.bill = bill
        self.priceSources = scenario.prices.sources
    }

    /// The scenario's warnings, then the simulation's.
    public var allWarnings: [String] { warnings + result.warnings }
}
