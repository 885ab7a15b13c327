import Plan
import Simulation

/// What many samples of a run say: each figure with its spread.
public struct RunOutcome: Sendable {
    public var study: RunStudy
    public var resolved: ResolvedRun
    /// Dollars that a node-second costs.
    public var dollarsPerNodeSecond: Double
    /// Dollars a sample pays beside its nodes' time: storage of checkpoints.
    public var otherDollars = 0.0

    public init(_ study: RunStudy, _ resolved: ResolvedRun, dollarsPerNodeSecond: Double) {
        self.study = study
        self.resolved = resolved
        self.dollarsPerNodeSecond = dollarsPerNodeSecond
    }

    private var plan: RunPlan { study.plan }

    /// The spread of one figure over the samples.
    public func distribution(_ figure: (RunSample) -> Double) -> Distribution { Distribution(of: study.figures(figure)) }

    public var wallClockS: Distribution { distribution { $0.wallClock } }
    public var idealS: Distribution { distribution { $0.work } }
    public var goodput: Distribution { distribution { $0.wallClock > 0 ? $0.work / $0.wallClock : 1 } }
    public var steps: Distribution { distribution { ($0.work / resolved.step + 1e-6).rounded(.down) } }
    public var samplesTrained: Distribution { distribution { $0.work / resolved.step * resolved.samplesPerStep } }
    public var interruptions: Distribution { distribution { Double($0.interruptions) } }
    public var sparesPeak: Distribution { distribution { Double($0.sparesPeak) } }

    /// Seconds lost by cause, in the order of the result file.
    public var lostS: [(name: String, seconds: Distribution)] {
        let parts: [(String, [TimePart])] =
            [("failures", [.detection, .diagnosis])] + TimePart.allCases.filter { $0 != .useful }.map { ($0.name, [$0]) }
        return parts.map { name, parts in (name, distribution { sample in parts.reduce(0) { $0 + sample[$1] } }) }
    }

    /// Failures by cause.
    public var byCause: [(name: String, count: Distribution)] {
        plan.causes.enumerated().map { index, cause in (cause.name, distribution { Double($0.byCause[index]) }) }
    }

    /// Dollars by what the nodes did, and for those that stood by.
    public var byCauseUSD: [(name: String, dollars: Distribution)] {
        TimePart.allCases.map { part in (part.name, distribution { $0.billed[part.rawValue] * dollarsPerNodeSecond }) } + [
            ("idle_spares", distribution { idleSpares($0) }), ("storage", distribution { _ in otherDollars }),
        ]
    }

    private func idleSpares(_ sample: RunSample) -> Double {
        Double((plan.spares?.warm ?? 0)) * sample.wallClock * dollarsPerNodeSecond
    }

    public func dollars(_ sample: RunSample) -> Double {
        TimePart.allCases.reduce(0) { $0 + sample.billed[$1.rawValue] } * dollarsPerNodeSecond + idleSpares(sample) + otherDollars
    }

    public var totalUSD: Distribution { distribution { dollars($0) } }

    /// Node-seconds paid, spares included.
    public var paidNodeSeconds: Double {
        study.mean { sample in
            TimePart.allCases.reduce(0) { $0 + sample.billed[$1.rawValue] } + Double(plan.spares?.warm ?? 0) * sample.wallClock
        }
    }

    public var unfinishedShare: Double { Double(study.unfinished) / Double(max(1, study.samples.count)) }
}
