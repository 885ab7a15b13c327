import Training

/// What is really trained: a task, and for most a small model.
public struct ProxySpec: Sendable, Equatable {
    public enum Task: Sendable, Equatable {
        /// Curvatures and deviations of a single sample's gradient [dimensions].
        case noisyQuadratic(curvature: [Double], deviation: [Double], start: Double)
        case teacherStudent(inputs: Int, hidden: [Int], classes: Int, labelNoise: Double)
        case markov(vocabulary: Int, sharpness: Double)
        /// A file; nil for the sample that the program makes itself.
        case text(bytes: [UInt8]?)
        case images(MLP.Batch)
    }
    public enum Model: Sendable, Equatable {
        case mlp(hidden: [Int])
        case cnn(channels: [Int])
        case gpt(layers: Int, hidden: Int, heads: Int, sequence: Int, experts: Experts?, keptKeys: Int?)
    }
    public struct Experts: Sendable, Equatable {
        public var count: Int
        public var active: Int
        public init(count: Int, active: Int) {
            self.count = count
            self.active = active
        }
    }
    public enum Precision: String, Sendable, CaseIterable { case fp64, fp32 }

    public var task: Task
    public var model: Model?
    /// Of a transformer's training; empty: all of it is alike.
    public var phases: [SequencePhase] = []
    /// Of the task itself: its teacher, chain or held-out samples.
    public var seed: UInt64 = 0

    public var hasExperts: Bool {
        if case .gpt(_, _, _, _, let experts, _)? = model { return experts != nil }
        return false
    }

    public init(task: Task, model: Model? = nil) {
        self.task = task
        self.model = model
    }
}

extension MLP.Batch: Equatable {
    public static func == (a: MLP.Batch, b: MLP.Batch) -> Bool { a.inputs == b.inputs && a.labels == b.labels && a.targets == b.targets }
}
