import Plan

/// A figure with a distribution over simulated steps. Encoded as a bare number when every sample is equal.
public struct Distribution: Sendable, Hashable, Codable {
    public var mean: Double
    public var p5: Double
    public var p50: Double
    public var p95: Double
    public var n: Int
    public init(mean: Double, p5: Double, p50: Double, p95: Double, n: Int) {
        self.mean = mean
        self.p5 = p5
        self.p50 = p50
        self.p95 = p95
        self.n = n
    }
    public init(_ value: Double) { self.init(mean: value, p5: value, p50: value, p95: value, n: 1) }
    public init(from decoder: any Decoder) throws {
        if let value = try? decoder.singleValueContainer().decode(Double.self) {
            self.init(value)
        } else {
            let c = try decoder.container(keyedBy: CodingKeys.self)
            self.init(
                mean: try c.decode(Double.self, forKey: .mean), p5: try c.decode(Double.self, forKey: .p5),
                p50: try c.decode(Double.self, forKey: .p50), p95: try c.decode(Double.self, forKey: .p95),
                n: try c.decode(Int.self, forKey: .n))
        }
    }
    public func encode(to encoder: any Encoder) throws {
        if isSingle {
            var c = encoder.singleValueContainer()
            try c.encode(mean)
        } else {
            var c = encoder.container(keyedBy: CodingKeys.self)
            try c.encode(mean, forKey: .mean)
            try c.encode(p5, forKey: .p5)
            try c.encode(p50, forKey: .p50)
            try c.encode(p95, forKey: .p95)
            try c.encode(n, forKey: .n)
        }
    }
    /// All samples are equal, or there is one.
    public var isSingle: Bool { n <= 1 || (p5 == mean && p95 == mean) }

    enum CodingKeys: String, CodingKey { case mean, p5, p50, p95, n }
}

extension Distribution {
    /// Mean and order statistics of samples, linear between neighbours.
    public init(of values: [Double]) {
        let sorted = values.sorted()
        guard let last = sorted.last else {
            self.init(0)
            return
        }
        func quantile(_ share: Double) -> Double {
            let place = share * Double(sorted.count - 1)
            let index = Int(place)
            guard index + 1 < sorted.count else { return last }
            return sorted[index] + (sorted[index + 1] - sorted[index]) * (place - Double(index))
        }
        let isSame = sorted.first == last
        self.init(
            mean: isSame ? last : values.reduce(0, +) / Double(values.count), p5: quantile(0.05), p50: quantile(0.5), p95: quantile(0.95),
            n: values.count)
    }
}

/// What a step costs and achieves. Definitions: docs/definitions.md.
public struct StepResult: Sendable, Hashable, Codable {
    public var timeS: Distribution
    public var tokensPerS: Double
    public var tokensPerSPerGPU: Double
    public var samplesPerS: Double
    /// Model FLOPs (6 per multiplying parameter and token, attention counted in full) per second and GPU, in 10^12.
    public var modelTFLOPsPerGPU: Double
    /// Executed FLOPs, recomputation included, causal attention counted in full, in 10^12.
    public var hardwareTFLOPsPerGPU: Double
    public var mfu: Double
    public var hfu: Double
    /// As `mfu` with attention counted causally (half).
    public var mfuCausal: Double
    /// Share of the step in which the compute streams are busy, mean over GPUs.
    public var utilization: Double
    public init(
        timeS: Distribution, tokensPerS: Double, tokensPerSPerGPU: Double, samplesPerS: Double, modelTFLOPsPerGPU: Double,
        hardwareTFLOPsPerGPU: Double, mfu: Double, hfu: Double, mfuCausal: Double, utilization: Double
    ) {
        self.timeS = timeS
        self.tokensPerS = tokensPerS
        self.tokensPerSPerGPU = tokensPerSPerGPU
        self.samplesPerS = samplesPerS
        self.modelTFLOPsPerGPU = modelTFLOPsPerGPU
        self.hardwareTFLOPsPerGPU = hardwareTFLOPsPerGPU
        self.mfu = mfu
        self.hfu = hfu
        self.mfuCausal = mfuCausal
        self.utilization = utilization
    }
    enum CodingKeys: String, CodingKey {
        case timeS = "time_s"
        case tokensPerS = "tokens_per_s"
        case tokensPerSPerGPU = "tokens_per_s_per_gpu"
        case samplesPerS = "samples_per_s"
        case modelTFLOPsPerGPU = "model_tflops_per_gpu"
        case hardwareTFLOPsPerGPU = "hardware_tflops_per_gpu"
        case mfu, hfu
        case mfuCausal = "mfu_causal"
        case utilization
    }
}

/// Shares of the step's time by how its durations are known, and the relative error (one sigma-like half width) that follows.
public struct Evidence: Sendable, Hashable, Codable {
    public var measured: Double
    public var interpolated: Double
    public var formula: Double
    public var stepTimeError: Double
    /// Seconds of a step between which 90 of 100 measurements should lie; nil where it was not asked for.
    public var interval90: [Double]?
    public init(measured: Double, interpolated: Double, formula: Double, stepTimeError: Double) {
        self.measured = measured
        self.interpolated = interpolated
        self.formula = formula
        self.stepTimeError = stepTimeError
    }
    enum CodingKeys: String, CodingKey {
        case measured, interpolated, formula
        case stepTimeError = "step_time_error"
        case interval90
    }
}

/// Bytes a GPU (mean) sends in a step.
public struct Traffic: Sendable, Hashable, Codable {
    public var nvlink: Double
    public var network: Double
    /// By kind of group, see `groups`.
    public var byGroup: [String: Double]
    /// Kinds of groups, in the order of results.
    public static let groups = ["tensor", "sequence", "context", "expert", "pipeline", "data"]
    public init(nvlink: Double, network: Double, byGroup: [String: Double]) {
        self.nvlink = nvlink
        self.network = network
        self.byGroup = byGroup
    }
    enum CodingKeys: String, CodingKey {
        case nvlink, network
        case byGroup = "by_group"
    }
}

/// One bar of the timeline: rank `rank`'s stream was busy with `label` from `startNS` for `durationNS`.
public struct Span: Sendable, Hashable, Codable {
    public var rank: Int
    public var stream: String
    public var activity: Activity
    public var label: String
    public var startNS: Int64
    public var durationNS: Int64
    public init(rank: Int, stream: String, activity: Activity, label: String, startNS: Int64, durationNS: Int64) {
        self.rank = rank
        self.stream = stream
        self.activity = activity
        self.label = label
        self.startNS = startNS
        self.durationNS = durationNS
    }
}

/// A statement on which a result rests: what was assumed or read, and where it comes from.
public struct Assumption: Sendable, Hashable, Codable {
    public var subject: String
    public var value: String
    public var source: String
    public init(subject: String, value: String, source: String) {
        self.subject = subject
        self.value = value
        self.source = source
    }
}

/// What the simulation of a plan found: one step, or several of which the figures are means.
public struct SimulatedStep: Sendable, Hashable, Codable {
    public var step: StepResult
    /// Seconds of the bottleneck stage's timeline; they sum to the step time.
    public var breakdownS: [Activity: Double]
    /// Communication that ran beside computation on that stage, seconds.
    public var overlappedCommS: Double
    public var memory: MemoryEstimate
    public var traffic: Traffic
    public var evidence: Evidence
    public var warnings: [String]
    public var assumptions: [Assumption]
    /// What was on which link; nil where collectives were timed in closed form.
    public var fabric: FabricLoad?
    /// Filled when the scenario asks for a timeline: one entry per stage of the first replica and per stream.
    public var timeline: [Span]
    /// Time of every simulated step, seconds.
    public var stepTimesS: [Double]
    public init(
        step: StepResult, breakdownS: [Activity: Double], overlappedCommS: Double, memory: MemoryEstimate, traffic: Traffic,
        evidence: Evidence, warnings: [String] = [], assumptions: [Assumption] = [], timeline: [Span] = [], stepTimesS: [Double] = []
    ) {
        self.step = step
        self.breakdownS = breakdownS
        self.overlappedCommS = overlappedCommS
        self.memory = memory
        self.traffic = traffic
        self.evidence = evidence
        self.warnings = warnings
        self.assumptions = assumptions
        self.timeline = timeline
        self.stepTimesS = stepTimesS
    }
}
