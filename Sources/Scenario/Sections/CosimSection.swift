import CoSimulation
import Quantities
import Training

/// The section `cosim`: what is really trained while the target job supplies the clock.
enum CosimSection {
    enum TaskKind: String, CaseIterable {
        case noisyQuadratic = "noisy-quadratic"
        case teacherStudent = "teacher-student"
        case markov = "markov-lm"
        case text, idx
    }
    enum ModelKind: String, CaseIterable { case mlp, cnn, gpt }
    enum OptimizerName: String, CaseIterable {
        case sgd, momentum, adam, adamw, lamb, lion, adafactor, muon
        case adam8bit = "adam-8bit"
        case dynamicBetas = "dynamic-betas"
        case varianceAdaptive = "variance-adaptive"
    }
    enum Noise: Equatable {
        case level(Double)
        case curvature
    }
    struct TaskDraft {
        var kind: TaskKind?
        var curvature: [Double]?
        var noise = Noise.level(1)
        var start = 1.0
        var inputs = 16
        var hidden = [32]
        var classes = 10
        var labelNoise = 0.0
        var vocabulary = 64
        var order = 1
        var sharpness = 2.0
        var file: String?
        var images: String?
        var labels: String?
        var seed = 0
    }
    struct Experts {
        var count: Int?
        var active = 2
    }
    struct ModelDraft {
        var kind: ModelKind?
        var hidden: [Int]?
        var channels = [8, 16]
        var layers = 2
        var width = 32
        var heads = 2
        var sequence = 32
        var experts = Experts()
        var keptKeys: Int?
    }
    struct OptimizerDraft {
        var kind: OptimizerName?
        var momentum: Double?
        var nesterov = false
        var beta1: Double?
        var beta2: Double?
        var decay: Double?
    }
    struct ServiceDraft {
        var distribution = Service.Shape.constant
        var mean: Duration?
    }
    enum Communication: String, CaseIterable { case none, target }
    struct PhaseDraft {
        var until: Double?
        var sequence: Int?
        var keptKeys: Int?
    }
    struct ClipDraft {
        var norm: Double?
        var value: Double?
        var quantile: Double?
        var adaptive: Double?
    }
    struct Draft {
        var task = TaskDraft()
        var model = ModelDraft()
        var workers: Int??
        var batch = 8
        var optimizer: OptimizerRecipe?
        var rate: CosimSpec.Rate?
        var steps: Int?
        var targetLoss: Double?
        var seconds: Duration?
        var seeds = 5
        var tune = CosimSpec.Tuning()
        var evaluate: Int?
        var precision: ProxySpec.Precision?
        var service: ServiceDraft??
        var communication: Communication?
        var clip = ClipDraft()
        var lossScale: Double?
        var phases: [PhaseDraft] = []
    }

    static var entries: [SchemaEntry] { section.entries }
    private static var size: Kind<Int> { .integer(1...1_000_000, example: 32) }
    private static func number(_ range: ClosedRange<Double>, _ example: String) -> Kind<Double> { .ratio(range, example: example) }

    static var section: Section<Draft> {
        Section([
            Field("task", \.task, task, "what is learnt"),
            Field("model", \.model, model, "the small model that learns it; none for noisy-quadratic"),
            Field(
                "workers", \.workers, Kind<Int>.integer(1...100_000, example: 8).or("auto"), default: "auto: replicas of the target",
                "virtual workers with parameters of their own"),
            Field("batch", \.batch, .integer(1...1_000_000, example: 8), default: "8", "samples of a worker's gradient"),
            Field("optimizer", \.optimizer, optimizer, default: "training.optimizer", "rule of the update"),
            Field("rate", \.rate, rate, default: "tune", "learning rate; tune: searched for"),
            Field(
                "steps", \.steps, .count(1...1_000_000_000, example: "1000"), default: "1000, or what target_loss or seconds need",
                "steps of each worker; for async updates, for federated rounds"),
            Field("target_loss", \.targetLoss, number(-1e12...1e12, "1.9"), default: "none", "the run ends when it is reached"),
            Field("seconds", \.seconds, .quantity, default: "none", "simulated time after which the run ends"),
            Field("seeds", \.seeds, .integer(1...100_000, example: 5), default: "5", "replicates, from simulate.seed on"),
            Field("tune", \.tune, tune, "search of the rate"),
            Field(
                "evaluate", \.evaluate, .integer(1...1_000_000_000, example: 50), default: "a hundredth of the run",
                "updates between two points of the curve"),
            Field("precision", \.precision, .choice, default: "fp64 for noisy-quadratic, else fp32", "arithmetic of the training"),
            Field("service", \.service, service, default: "target", "time of a gradient: the target's, or a distribution"),
            Field(
                "communication", \.communication, .choice, default: "target with service: target, else none",
                "time of messages; none: they take no time"),
            Field("clip", \.clip, clip, "gradient clipping; one of the keys"),
            Field(
                "phases", \.phases, phases, default: "none",
                "gpt: parts of the training with shorter sequences or sparser attention, whose steps are shorter, too"),
            Field(
                "loss_scale", \.lossScale, number(1e-6...1e18, "65536"), default: "none",
                "initial dynamic loss scale; gradients are then kept in fp16, and overflows skip steps"),
        ])
    }

    private static var task: Section<TaskDraft> {
        Section([
            Field("kind", \.kind, .choice, default: "required", "what is learnt"),
            Field("curvature", \.curvature, curvature, default: "[1.0]", "noisy-quadratic: curvatures, or a spectrum i^-exponent"),
            Field(
                "noise", \.noise, noise, default: "1.0", "noisy-quadratic: deviation of one sample's gradient; curvature: variance = h_i"),
            Field("start", \.start, number(-1e12...1e12, "1.0"), default: "1.0", "noisy-quadratic: where every parameter starts"),
            Field("inputs", \.inputs, size, default: "16", "teacher-student: inputs"),
            Field("hidden", \.hidden, .list(of: size, atMost: 64), default: "[32]", "teacher-student: hidden units of the teacher"),
            Field("classes", \.classes, .integer(2...100_000, example: 10), default: "10", "teacher-student: classes"),
            Field("label_noise", \.labelNoise, .ratio(0...1, example: "10%"), default: "0", "teacher-student: share of random labels"),
            Field("vocabulary", \.vocabulary, .integer(2...4096, example: 64), default: "64", "markov-lm: tokens"),
            Field("order", \.order, .integer(1...1), default: "1", "markov-lm: tokens that the next one depends on"),
            Field("sharpness", \.sharpness, .ratio(0...100, example: "2"), default: "2", "markov-lm: how far from uniform; 0 is uniform"),
            Field("file", \.file, .text, default: "auto: a text of the program's own", "text: path, relative to this file"),
            Field("images", \.images, .text, default: "required for idx", "idx: path of the images"),
            Field("labels", \.labels, .text, default: "required for idx", "idx: path of the labels"),
            Field("seed", \.seed, .integer(0...1_000_000_000, example: 0), default: "0", "of the task itself: its teacher or chain"),
        ])
    }

    private static var curvature: Kind<[Double]> {
        struct Spectrum {
            var dimension: Int?
            var exponent = 1.0
        }
        let section = Section<Spectrum>([
            Field("dimension", \.dimension, .integer(1...1_000_000, example: 10_000), default: "required", "parameters"),
            Field("exponent", \.exponent, .ratio(0...10, example: "1"), default: "1", "h_i = i^-exponent"),
        ])
        let list = Kind<[Double]>.list(of: .ratio(0...1e12, example: "1.0"), atMost: 1_000_000)
            .requiring("is empty", "write [1.0]") { !$0.isEmpty }
        return Kind<[Double]>("\(list.name), or {dimension:, exponent:}", example: "[1.0]", children: section.entries) { item, reader in
            guard case .mapping = item.tree.content else { return list.read(item, &reader) }
            var draft = Spectrum()
            section.read(item, into: &draft, &reader)
            guard let dimension = draft.dimension else {
                reader.report(item, "the key dimension is missing", "write {dimension: 10000, exponent: 1}")
                return nil
            }
            return NoisyQuadratic.spectrum(dimension: dimension, exponent: draft.exponent).curvature
        }
    }

    private static var noise: Kind<Noise> {
        let level = Kind<Double>.ratio(0...1e12, example: "1.0")
        return Kind<Noise>("\(level.name), or curvature", example: "1.0") { item, reader in
            if case .scalar("curvature", _) = item.tree.content { return .curvature }
            return level.read(item, &reader).map { .level($0) }
        }
    }

    private static var model: Section<ModelDraft> {
        let experts = Section<Experts>([
            Field("count", \.count, .integer(2...1024, example: 8), default: "dense", "experts of every layer"),
            Field("active", \.active, .integer(1...1024, example: 2), default: "2", "experts of a token"),
        ])
        return Section([
            Field("kind", \.kind, .choice, default: "by the task", "a perceptron, a convolutional classifier or a transformer"),
            Field("hidden_layers", \.hidden, .list(of: size, atMost: 64), default: "[64]", "mlp: hidden units of each layer"),
            Field(
                "channels", \.channels,
                .list(of: size, atMost: 8).requiring("does not name two convolutions", "write [8, 16]") { $0.count == 2 },
                default: "[8, 16]", "cnn: outputs of its two convolutions"),
            Field("layers", \.layers, .integer(1...256, example: 2), default: "2", "gpt: layers"),
            Field("hidden", \.width, size, default: "32", "gpt: width"),
            Field("heads", \.heads, .integer(1...1024, example: 2), default: "2", "gpt: attention heads"),
            Field("sequence", \.sequence, .integer(1...65536, example: 32), default: "32", "gpt: tokens of a sample"),
            Field("experts", \.experts, experts, "gpt: mixture of experts"),
            Field("kept_keys", \.keptKeys, .integer(1...65536, example: 8), default: "all", "gpt: keys that a query attends to"),
        ])
    }

    private static var optimizer: Kind<OptimizerRecipe> {
        let section = Section<OptimizerDraft>([
            Field("kind", \.kind, .choice, default: "required", "rule of the update"),
            Field("momentum", \.momentum, .ratio(0...0.99999, example: "0.9"), default: "0, for momentum 0.9", "of sgd"),
            Field("nesterov", \.nesterov, .flag, default: "false", "Nesterov's form of momentum"),
            Field("beta1", \.beta1, .ratio(0...0.99999, example: "0.9"), default: "0.9", "of adam and adamw"),
            Field("beta2", \.beta2, .ratio(0...0.999999, example: "0.999"), default: "0.999", "of adam and adamw"),
            Field("decay", \.decay, .ratio(0...10, example: "0.01"), default: "0, for adamw 0.01", "weight decay"),
        ])
        let mapping = Kind<OptimizerRecipe>("{kind:, momentum:, ...}", example: "{kind: sgd, momentum: 0}", children: section.entries) {
            item, reader in
            let before = reader.errors.count
            var draft = OptimizerDraft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            guard let kind = draft.kind else {
                reader.report(item, "the key kind is missing", "write {kind: sgd, momentum: 0.9}")
                return nil
            }
            if draft.nesterov, !(draft.momentum ?? (kind == .momentum ? 0.9 : 0) > 0) {
                reader.report(item, "Nesterov needs a momentum above 0", "write momentum: 0.9")
                return nil
            }
            return recipe(kind, draft)
        }
        return mapping.abbreviated(by: Kind<OptimizerName>.choice.map { recipe($0, OptimizerDraft()) })
    }

    static func recipe(_ name: OptimizerName, _ draft: OptimizerDraft = OptimizerDraft()) -> OptimizerRecipe {
        switch name {
        case .sgd: .sgd(momentum: draft.momentum ?? 0, nesterov: draft.nesterov, weightDecay: draft.decay ?? 0)
        case .momentum: .sgd(momentum: draft.momentum ?? 0.9, nesterov: draft.nesterov, weightDecay: draft.decay ?? 0)
        case .adam: .adam(beta1: draft.beta1 ?? 0.9, beta2: draft.beta2 ?? 0.999)
        case .adamw: .adamW(beta1: draft.beta1 ?? 0.9, beta2: draft.beta2 ?? 0.999, decay: draft.decay ?? 0.01)
        case .lamb: .lamb
        case .lion: .lion
        case .adafactor: .adafactor
        case .muon: .muon
        case .adam8bit: .adam8bit
        case .dynamicBetas: .dynamicBetas
        case .varianceAdaptive: .varianceAdaptive
        }
    }

    private static var peak: Kind<Double?> { Kind<Double>.ratio(0...1e6, example: "0.1").or("tune") }
    private static var rate: Kind<CosimSpec.Rate> {
        let section = Section<CosimSpec.Rate>([
            Field("schedule", \.shape, .choice, default: "constant", "way of the rate through the run"),
            Field("peak", \.peak, peak, default: "tune", "highest rate; tune: searched for"),
            Field("warmup", \.warmup, .integer(0...1_000_000_000, example: 100), default: "0", "steps up to it"),
            Field("end", \.end, .ratio(0...1e6, example: "0"), default: "0", "rate at the end"),
        ])
        return section.kind(CosimSpec.Rate(), name: "{schedule:, peak:, warmup:, end:}").abbreviated(by: peak.map { CosimSpec.Rate($0) })
    }

    private static var tune: Section<CosimSpec.Tuning> {
        Section([
            Field("trials", \.trials, .integer(1...10_000, example: 16), default: "16", "rates that are tried"),
            Field("seeds", \.seeds, .integer(1...1000, example: 2), default: "2", "replicates of a trial"),
        ])
    }

    private static var phases: Kind<[PhaseDraft]> {
        let section = Section<PhaseDraft>([
            Field("until", \.until, .ratio(0...1, example: "30%"), default: "100%", "share of the training at which the phase ends"),
            Field("sequence", \.sequence, .integer(1...65536, example: 16), default: "the model's", "tokens of a sample"),
            Field("kept_keys", \.keptKeys, .integer(1...65536, example: 8), default: "the model's", "keys that a query attends to"),
        ])
        return .list(of: section.kind(PhaseDraft(), name: "{until:, sequence:, kept_keys:}"), atMost: 64)
    }

    private static var clip: Section<ClipDraft> {
        let positive = Kind<Double>.ratio(1e-12...1e12, example: "1.0")
        return Section([
            Field("norm", \.norm, positive, default: "none", "most norm of the whole gradient"),
            Field("value", \.value, positive, default: "none", "most magnitude of an element"),
            Field("quantile", \.quantile, .ratio(0...1, example: "0.9"), default: "none", "of the last norms (AutoClip)"),
            Field("adaptive", \.adaptive, positive, default: "none", "most ratio of a unit's gradient to its weights (AGC)"),
        ])
    }

    private static var service: Kind<ServiceDraft?> {
        struct Shape { var gamma: Double?, lognormal: Double? }
        enum Word: String, CaseIterable { case constant, exponential }
        let shapes = Section<Shape>([
            Field("gamma", \.gamma, .ratio(0.01...1e6, example: "4"), default: "none", "shape of a gamma distribution"),
            Field("lognormal", \.lognormal, .ratio(0...100, example: "0.2"), default: "none", "coefficient of variation"),
        ])
        let mapping = Kind<Service.Shape>("{gamma: k} or {lognormal: cv}", example: "{gamma: 4}", children: shapes.entries) {
            item, reader in
            var draft = Shape()
            shapes.read(item, into: &draft, &reader)
            if let gamma = draft.gamma { return .gamma(gamma) }
            if let cv = draft.lognormal { return .lognormal(cv) }
            reader.report(item, "no distribution is named", "write constant, exponential, {gamma: 4} or {lognormal: 0.2}")
            return nil
        }
        let distribution = mapping.abbreviated(by: Kind<Word>.choice.map { $0 == .constant ? .constant : .exponential })
        let section = Section<ServiceDraft>([
            Field("distribution", \.distribution, distribution, default: "constant", "of the time of one gradient"),
            Field("mean", \.mean, .quantity, default: "1 s", "its mean"),
        ])
        return section.kind(ServiceDraft(), name: "{distribution:, mean:}").or("target")
    }
}
