import Cluster
import Yams

/// Which kernels, overlaps and formats a software stack uses on a device, once every default is filled in.
public struct StackBehaviour: Sendable, Hashable {
    /// What selective recomputation repeats: the unfused attention core (Megatron) or every second matrix product (torchtitan).
    public enum Selective: Sendable, Hashable { case attentionCore, half }

    /// Name of the entry in stacks.yaml, or of the framework where it has none; constants are looked up under it.
    public var stack: String
    /// What it is built like: eager, fsdp, megatron, graph (XLA, TensorFlow, MXNet); constants of stacks without runs of their own come from it.
    public var kind: String
    /// Memory-bound kernels run one by one although the stack is made to compile them, or compiled although it does not: the power of `uncompiled`.
    public var compilation: Double
    /// Stages exchange metadata and wait for it on the host.
    public var blockingSends: Bool
    /// Part of the release history with constants of its own, or "".
    public var era: String
    public var flashAttention: Bool
    public var tensorOverlap: SoftwareStack.TensorOverlap
    public var dataOverlap: Bool
    /// Sends of interleaved schedules run beside compute.
    public var pipelineOverlap: Bool
    /// Weight gradients accumulate into fp32.
    public var accumulatesFP32: Bool
    /// Bytes an element of the gradient on the wire.
    public var reduceBytes: Double
    /// ZeRO-1 and 2 reduce by all-reduce, not reduce-scatter.
    public var zero1AllReduce: Bool
    /// 16-bit gradients are copied into fp32 after every micro-batch.
    public var copiesGradients: Bool
    /// All stages meet at the optimizer (global gradient norm); false in zero-bubble schedules.
    public var optimizerSynchronises: Bool
    public var selective: Selective
    public var stageBalance: SoftwareStack.StageBalance?
    public var launchBlocking: Bool
    public var cudaGraphs: Bool
    /// Expert layers with their exchange overlapped and their activation and quantisation fused into the grouped products.
    public var fusedExperts: Bool
    public var scaling: SoftwareStack.Scaling?
    public var environment: String
    /// FSDP shards inside a node and replicates across.
    public var shardsInNode: Bool
    /// What was taken by default, with its reason.
    public var why: String
    /// The framework has no entry of its own.
    public var isGeneric: Bool
}

/// The entries of Resources/stacks.yaml.
public struct StackTable: Sendable {
    struct Entry: Sendable {
        var why = ""
        var flashAttention = true
        var flashFrom: Generation?
        var tensorOverlap = SoftwareStack.TensorOverlap.none
        var dataOverlap = true
        var pipelineOverlap = "always"
        var accumulatesFP32 = true
        var reduceBytes = 2.0
        var zero1AllReduce = false
        var copiesGradients = false
        var optimizerSynchronises = true
        var selectiveHalf = false
        var stageBalance: SoftwareStack.StageBalance?
        var shardsInNode = false
        var kind = "eager"
        var compiles = false
        var blockingSends = false
        /// First release with fused attention; nil: all.
        var flashSince: String?
        /// First release of each era, ascending, with its name.
        var eras: [(from: String, name: String)] = []
        var moeGraphs: [RecipeRule] = []
        var moeFused: [RecipeRule] = []
    }
    /// Which recipes of a framework for mixtures of experts use a mechanism; nil: any.
    struct RecipeRule: Sendable {
        var from: String
        var until: String?
        var generation: Generation?
        var routing: String?
        var precision: Precision?

        func holds(_ release: String, _ generation: Generation, routing: [String], _ precision: Precision) -> Bool {
            release >= from && until.map { release < $0 } ?? true && self.generation.map { $0 == generation } ?? true
                && self.routing.map(routing.contains) ?? true && self.precision.map { $0 == precision } ?? true
        }
    }
    let entries: [String: Entry]
    /// Words in the names of frameworks, with the kind that they tell, in order.
    let kindWords: [(word: String, kind: String)]
    /// What else people call an entry.
    private let aliases: [String: String]
    /// Parts of the names of frameworks without an entry, with the entry whose memory they keep.
    private let memoryOf: [(part: String, entry: String)]
    private let memories: [String: StackMemory]
    /// Words in the names of sources, with what their memory figures count.
    private let prints: [(word: String, measure: MemoryMeasure)]
    let offers: [StackOffer]

    public static let shared: Result<StackTable, CalibrationError> = Result { () throws(CalibrationError) in
        try StackTable(yaml: String(decoding: PackageResources.stacks_yaml, as: UTF8.self))
    }

    /// Frameworks with an entry, sorted.
    public var names: [String] { entries.keys.sorted().filter { !$0.hasPrefix("generic") } }

    /// - Throws: `CalibrationError` naming the entry at fault.
    init(yaml: String) throws(CalibrationError) {
        let root = try resourceMapping(yaml, name: "stacks.yaml")
        let families = root["memory_families"]?.mapping ?? [:]
        var entries: [String: Entry] = [:]
        var words: [(String, String)] = []
        for item in root["kind_words"]?.sequence ?? [] {
            guard let pair = item.sequence?.compactMap(\.string), pair.count == 2 else {
                throw CalibrationError("stacks.yaml: kind_words holds pairs of a word and a kind")
            }
            words.append((pair[0], pair[1]))
        }
        kindWords = words
        prints = Self.words(root["publishers"]).compactMap { word, name in MemoryMeasure(rawValue: name).map { (word, $0) } }
        var memories: [String: StackMemory] = [:]
        for (key, value) in root
        where !["names", "memory_of", "memory_families", "offers", "kind_words", "publishers"].contains(key.string) {
            guard let name = key.string, let map = value.mapping, let why = map["why"]?.string else {
                throw CalibrationError("stacks.yaml: entry \(key.string ?? "?") is no mapping or gives no reason (why)")
            }
            var entry = Entry()
            entry.why = why
            entry.flashAttention = map["flash_attention"]?.bool ?? true
            entry.flashFrom = map["flash_from"]?.string.flatMap(Generation.init)
            entry.tensorOverlap = map["tensor_overlap"]?.string.flatMap(SoftwareStack.TensorOverlap.init) ?? .none
            entry.dataOverlap = map["data_overlap"]?.bool ?? true
            entry.pipelineOverlap = map["pipeline_overlap"]?.string ?? "always"
            entry.accumulatesFP32 = map["accumulate_fp32"]?.bool ?? true
            entry.reduceBytes = map["reduce_bytes"]?.float ?? 2
            entry.zero1AllReduce = map["zero1_all_reduce"]?.bool ?? false
            entry.copiesGradients = map["gradient_copy"]?.bool ?? false
            entry.optimizerSynchronises = map["optimizer_synchronises"]?.bool ?? true
            entry.selectiveHalf = map["selective"]?.string == "half"
            entry.stageBalance = map["stage_balance"]?.string.flatMap(SoftwareStack.StageBalance.init)
            entry.kind = map["kind"]?.string ?? "eager"
            entry.compiles = map["compiles"]?.bool ?? false
            entry.blockingSends = map["blocking_sends"]?.bool ?? false
            entry.flashSince = map["flash_since"]?.string
            entry.shardsInNode = map["shard_group"]?.string == "node"
            entry.eras = Self.words(map["eras"]).map { (from: $0.0, name: $0.1) }.sorted { $0.from < $1.from }
            entry.moeGraphs = Self.rules(map["moe_graphs"])
            entry.moeFused = Self.rules(map["moe_fused"])
            entries[name] = entry
            memories[name] = try StackMemory(entry, map["memory"]?.mapping, families: families, of: name)
        }
        guard entries["generic"] != nil else { throw CalibrationError("stacks.yaml: the entry generic is missing") }
        self.entries = entries
        self.memories = memories
        var offers: [StackOffer] = []
        for node in root["offers"]?.sequence ?? [] { offers.append(try StackOffer(node)) }
        self.offers = offers
        aliases = Dictionary(Self.words(root["names"])) { first, _ in first }
        memoryOf = Self.words(root["memory_of"]).map { (part: $0.0, entry: $0.1) }
        for (name, target) in Self.words(root["names"]) + Self.words(root["memory_of"]) where entries[target] == nil {
            throw CalibrationError("stacks.yaml: \(name) stands for \(target), which has no entry")
        }
    }

    /// The pairs of a mapping of words, in their order.
    private static func words(_ node: Node?) -> [(String, String)] {
        (node?.mapping.map { Array($0) } ?? []).compactMap { pair in
            guard let from = pair.key.string, let to = pair.value.string else { return nil }
            return (from, to)
        }
    }

    private static func rules(_ node: Node?) -> [RecipeRule] {
        (node?.sequence.map { Array($0) } ?? []).compactMap { rule in
            guard let from = rule["from"]?.string else { return nil }
            return RecipeRule(
                from: from, until: rule["until"]?.string, generation: rule["generation"]?.string.flatMap(Generation.init),
                routing: rule["routing"]?.string, precision: rule["precision"]?.string.flatMap(Precision.init))
        }
    }

    /// Every framework with an entry: its name, other names for it, and what it is.
    public var descriptions: [(name: String, also: [String], why: String)] {
        names.map { name in
            (name, aliases.filter { $0.value == name }.map(\.key).sorted(), entries[name]?.why ?? "")
        }
    }

    /// The entry that a framework's name stands for; nil where there is none.
    private func entry(of framework: String) -> String? {
        let name = framework.lowercased()
        return entries[name] != nil ? name : aliases[name]
    }

    /// What a framework keeps in device memory; for one without an entry what its name suggests.
    public static func memory(of framework: String) -> StackMemory {
        // The file is part of the module and a test reads it; were it broken, nothing would be known but what is computed.
        guard let table = try? shared.get() else { return StackMemory() }
        let name = table.entry(of: framework) ?? table.memoryOf.first { framework.lowercased().contains($0.part) }?.entry
        return table.memories[name ?? "generic"] ?? StackMemory()
    }

    /// What the memory figures of a source count, where its publisher is known to read something else than the stack prints.
    public static func printed(by source: String) -> MemoryMeasure? {
        (try? shared.get())?.prints.first { source.contains($0.word) }?.measure
    }

    private func entry(of software: SoftwareStack) -> (name: String, entry: Entry) {
        let name = entry(of: software.framework) ?? "generic"
        return (name, entries[name] ?? Entry())
    }

    /// The software of a measured run that does not say which attention it had: what the stack ran in the days of the device.
    public func published(_ software: SoftwareStack, on device: Accelerator) -> SoftwareStack {
        let entry = entry(of: software).entry
        guard software.flashAttention == nil, entry.flashFrom == .hopper, device.generation == .ampere else { return software }
        var own = software
        own.flashAttention = false
        return own
    }

    /// Whether a release decides anything of a stack, and whether the routing of tokens does.
    public func knowsReleases(of software: SoftwareStack) -> Bool {
        let entry = entry(of: software).entry
        return !entry.eras.isEmpty || !entry.moeGraphs.isEmpty || !entry.moeFused.isEmpty
    }
    public func knowsRouting(of software: SoftwareStack) -> Bool {
        let entry = entry(of: software).entry
        return (entry.moeGraphs + entry.moeFused).contains { $0.routing != nil }
    }

    /// Whether fused attention is assumed where releases of the stack differ in it.
    public func assumesFlashAttention(_ software: SoftwareStack, on device: Accelerator) -> Bool {
        software.flashAttention == nil && published(software, on: device) != software
    }

    /// Fills in what the stack leaves open. `precision` and `isMoE` decide defaults that recipes tie to them.
    public func behaviour(of software: SoftwareStack, on device: Accelerator, isMoE: Bool, precision: Precision) -> StackBehaviour {
        let framework = software.framework.lowercased()
        let known = entry(of: framework)
        let kind = known.flatMap { entries[$0]?.kind } ?? kindWords.first { framework.contains($0.word) }?.kind ?? "eager"
        // A framework without an entry does as the plain one of its kind, and its constants are its own where runs of it were fitted.
        let name = known ?? framework.map { $0.isWhitespace ? "-" : String($0) }.joined()
        let entry = known.flatMap { entries[$0] } ?? entries["generic-\(kind)"] ?? entries["generic"] ?? Entry()
        let isModern = ![.pascal, .volta, .turing, .ampere].contains(device.generation)
        let era = software.release.flatMap { release in entry.eras.last { $0.from <= release }?.name } ?? ""
        let routing = (software.routing ?? "").split(separator: "+").map(String.init)
        func holds(_ rules: [RecipeRule]) -> Bool {
            guard isMoE, let release = software.release else { return false }
            return rules.contains { $0.holds(release, device.generation, routing: routing, precision) }
        }
        let sixteenBitGradients = ["fp16", "bf16"].contains(software.gradientPrecision ?? "")
        let early = entry.flashSince.map { since in software.release.map { $0 < since } ?? false } ?? false
        // Releases of today run fused attention wherever there is a kernel for it; the first is for Ampere (arXiv:2205.14135).
        let hasKernel = ![.pascal, .volta, .turing].contains(device.generation)
        let flash = entry.flashAttention && (entry.flashFrom == nil || hasKernel) && !early
        let compiled = software.compiled ?? entry.compiles
        return StackBehaviour(
            stack: name, kind: kind, compilation: compiled == entry.compiles ? 0 : compiled ? -1 : 1, blockingSends: entry.blockingSends,
            era: era, flashAttention: software.flashAttention ?? flash,
            // MoE recipes run expert-tensor 1 and do not use the user-buffer overlap.
            tensorOverlap: software.tensorOverlap ?? (isMoE ? .none : entry.tensorOverlap),
            dataOverlap: software.dataOverlap ?? entry.dataOverlap,
            pipelineOverlap: entry.pipelineOverlap == "always" || entry.pipelineOverlap == "hopper" && isModern,
            accumulatesFP32: software.gradientPrecision.map { $0 == "fp32" } ?? (entry.accumulatesFP32 && precision != .fp16),
            reduceBytes: sixteenBitGradients
                ? 2 : software.gradientPrecision == "fp32" ? max(2, entry.reduceBytes) : precision == .fp16 ? 2 : entry.reduceBytes,
            zero1AllReduce: entry.zero1AllReduce,
            copiesGradients: entry.copiesGradients && !sixteenBitGradients && precision != .fp16,
            optimizerSynchronises: entry.optimizerSynchronises, selective: entry.selectiveHalf ? .half : .attentionCore,
            stageBalance: software.stageBalance ?? entry.stageBalance, launchBlocking: software.launchBlocking ?? false,
            cudaGraphs: software.cudaGraphs ?? holds(entry.moeGraphs), fusedExperts: holds(entry.moeFused), scaling: software.scaling,
            environment: software.environment ?? "",
            shardsInNode: entry.shardsInNode, why: entry.why, isGeneric: known == nil)
    }
}
