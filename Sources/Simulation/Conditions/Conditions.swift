import Quantities

/// What disturbs a run. Coefficients of variation are relative standard deviations.
public struct Conditions: Sendable, Hashable {
    public struct SlowGPUs: Sendable, Hashable {
        public enum Which: Sendable, Hashable {
            /// This share of all GPUs, drawn with the scenario's seed.
            case share(Double)
            case gpu(Int)
        }
        public var which: Which
        /// Compute takes this many times as long.
        public var slowdown: Double
        /// From this point of the simulated run on.
        public var from: Duration
        public init(which: Which, slowdown: Double, from: Duration = .zero) {
            self.which = which
            self.slowdown = slowdown
            self.from = from
        }
    }
    public struct SlowLinks: Sendable, Hashable {
        public enum Which: Sendable, Hashable {
            case share(Double)
            case node(Int)
            /// The port that a GPU sends through, both directions.
            case gpu(Int)
            /// Links by name, as results name them ("leaf 0 of rail 3 to spine 5"); `network: flow` only.
            case link(String)
        }
        public var which: Which
        /// Transfers of the node's network ports take this many times as long.
        public var slowdown: Double
        public var from: Duration
        public init(which: Which, slowdown: Double, from: Duration = .zero) {
            self.which = which
            self.slowdown = slowdown
            self.from = from
        }
    }
    /// Links that are down or slow for a time, also in the middle of a step; `network: flow` only.
    public struct LinkFaults: Sendable, Hashable {
        public var which: SlowLinks.Which
        /// Share of the link's rate that is left, 0 to 1.
        public var rate: Double
        /// From and until these points of the simulated run; nil: for ever.
        public var from: Duration
        public var until: Duration?
        /// Flows take another way while the link is down, where there is one; else they wait.
        public var reroutes: Bool
        public init(which: SlowLinks.Which, rate: Double = 0, from: Duration = .zero, until: Duration? = nil, reroutes: Bool = false) {
            self.which = which
            self.rate = rate
            self.from = from
            self.until = until
            self.reroutes = reroutes
        }
    }
    public var kernelJitter = 0.0
    public var networkJitter = 0.0
    public var slowGPUs: [SlowGPUs] = []
    public var slowLinks: [SlowLinks] = []
    public var linkFaults: [LinkFaults] = []
    public init() {}
    /// Nothing differs between replicas, so one stands for all.
    public var isUniform: Bool {
        kernelJitter == 0 && networkJitter == 0 && slowGPUs.isEmpty && slowLinks.isEmpty && linkFaults.isEmpty
    }
}

/// How communication is timed.
public enum NetworkModel: String, Sendable, Hashable, Codable, CaseIterable {
    /// Flows where the closed form cannot be right (an oversubscribed network), else the closed form.
    case auto
    /// Each collective alone on its links, in closed form.
    case alphaBeta = "alpha-beta"
    /// As flows on the cluster's links, which they share.
    case flow
}

/// How finely a step is simulated.
public enum Detail: String, Sendable, Hashable, Codable, CaseIterable { case auto, stage, layer, kernel }

/// What to simulate and how.
public struct SimulationSettings: Sendable, Hashable {
    public var steps = 1
    public var samples = 200
    public var seed: UInt64 = 1
    public var detail = Detail.auto
    public var network = NetworkModel.auto
    public var timeline = true
    /// Worker threads; never changes a result.
    public var jobs = 1
    /// Simulate every replica although they are identical (for tests of folding).
    public var unfolded = false
    /// Tasks that one step may have, for tests of what happens beyond them; nil: the usual limit.
    var taskLimit: Int?
    public init() {}
}
