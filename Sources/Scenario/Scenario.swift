import Cost
import Plan
import Quantities
import Simulation

/// A checked scenario file: everything that `orrery run` needs.
public struct Scenario: Sendable {
    public var name: String
    public var job: Job
    public var conditions = Conditions()
    public var settings = SimulationSettings()
    public var prices = PriceBook()
    /// FNV-1a of the canonical scenario, in hex: equal files give equal hashes.
    public var hash = ""
    /// Remarks on defaults that were filled in.
    public var warnings: [String] = []
    public init(name: String, job: Job) {
        self.name = name
        self.job = job
    }
}
