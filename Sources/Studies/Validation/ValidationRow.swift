import Simulation

/// One measured run and what the simulator says about it.
public struct ValidationRow: Sendable {
    /// Where a row stands and what kind of run it is.
    public struct Origin: Sendable, Hashable {
        public var id: String
        public var file: String
        /// Publication or repository.
        public var source: String
        public var hardware: String
        public var framework: String
        /// How much of the configuration was published: A (all that matters), B (parts inferred); empty where the file does not say.
        public var completeness: String
        /// Kinds of parallelism and model that the run stands for, each scored on its own: "dense", "MoE", "FSDP", "pipeline".
        public var kinds: [String] = []
        /// Size of the tensor group; 0 where unknown.
        public var tensor = 0
        public init(id: String, file: String, source: String = "", hardware: String, framework: String, completeness: String = "") {
            self.id = id
            self.file = file
            self.source = source
            self.hardware = hardware
            self.framework = framework
            self.completeness = completeness
        }
    }
    /// What two rows must share to be ranked against each other, and the work of a step.
    public struct Shape: Sendable, Hashable {
        public var gpus: Int
        public var layers: Int
        public var hidden: Int
        public var sequence: Int
        public var globalBatch: Int
        public init(gpus: Int, layers: Int, hidden: Int, sequence: Int, globalBatch: Int) {
            self.gpus = gpus
            self.layers = layers
            self.hidden = hidden
            self.sequence = sequence
            self.globalBatch = globalBatch
        }
    }
    /// What the simulator answers.
    public struct Prediction: Sendable {
        /// Seconds.
        public var stepS: Double
        /// Peak of the fullest stage, GB (10^9 bytes).
        public var memoryGB: Double?
        public var fits: Bool
        /// Seconds between which 90 of 100 measurements should lie.
        public var interval90: ClosedRange<Double>?
        public var evidence: Evidence
        public init(stepS: Double, memoryGB: Double?, fits: Bool, interval90: ClosedRange<Double>?, evidence: Evidence) {
            self.stepS = stepS
            self.memoryGB = memoryGB
            self.fits = fits
            self.interval90 = interval90
            self.evidence = evidence
        }
    }

    public var origin: Origin
    public var shape: Shape
    /// Measured seconds of a step.
    public var measuredS: Double
    /// Measured peak memory of a GPU, where known, GB.
    public var memoryGB: Double?
    /// Repeated configurations share one count.
    public var weight: Double
    /// Nil where the row cannot be modelled; `reason` then says why.
    public var prediction: Prediction?
    public var reason: String?
    /// What the table leaves open and what was taken instead.
    public var assumptions: [String] = []

    public init(
        _ origin: Origin, _ shape: Shape, measuredS: Double, memoryGB: Double? = nil, weight: Double = 1
    ) {
        self.origin = origin
        self.shape = shape
        self.measuredS = measuredS
        self.memoryGB = memoryGB
        self.weight = weight
    }

    /// The row with its prediction.
    public func predicted(_ prediction: Prediction) -> ValidationRow {
        var row = self
        row.prediction = prediction
        row.reason = nil
        return row
    }

    /// The row as a failure, with the reason why it cannot be modelled.
    public func failed(_ reason: String) -> ValidationRow {
        var row = self
        row.prediction = nil
        row.reason = reason
        return row
    }

    /// Predicted over measured step time, less one.
    public var error: Double? {
        guard let prediction, measuredS > 0, prediction.stepS.isFinite else { return nil }
        return prediction.stepS / measuredS - 1
    }

    /// The same for memory.
    public var memoryError: Double? {
        guard let predicted = prediction?.memoryGB, let memoryGB, memoryGB > 0, predicted.isFinite else { return nil }
        return predicted / memoryGB - 1
    }
}
