import Plan

/// `training.frozen`, `training.adapters` and `training.passes`: what of a model trains, and which passes a step has beside those that train it.
enum AdaptersSection {
    private enum PartName: String, CaseIterable {
        case embedding, attention, mlp, experts, router, norms, head
        var value: ModelParts { ModelParts.names.first { $0.name == rawValue }?.value ?? [] }
    }
    private enum AdapterKind: String, CaseIterable { case lora }
    private struct Draft {
        var kind = AdapterKind.lora
        var rank: Int?
        var alpha: Double?
        var targets: [LowRankAdapters.Target] = [.query, .value]
        var base = LowRankAdapters.Base.bf16
        var dropout = 0.0
    }

    static var fields: [Field<TrainingSpec>] {
        [
            Field(
                "frozen", \.frozen,
                Kind.list(of: Kind<PartName>.choice, atMost: 7).map { $0.reduce(into: ModelParts()) { $0.insert($1.value) } },
                default: "[]", "parts of the model whose parameters do not train: no gradient, no optimizer state"),
            Field(
                "adapters", \.adapters, adapters, default: "none",
                "low-rank adapters that train in place of the model's parameters (LoRA; with a base of few bits QLoRA)"),
            Field("passes", \.passes, passes, "forward passes of a step beside those that train, as DPO, PPO and GRPO have them"),
        ]
    }

    private static var adapters: Kind<LowRankAdapters?> {
        let section = Section<Draft>([
            Field("kind", \.kind, .choice, default: "lora", "W x + alpha / rank B A x, A and B trained (arXiv:2106.09685)"),
            Field("rank", \.rank, .integer(1...65_536, example: 16), default: "required", "rows of A, columns of B"),
            Field("alpha", \.alpha, .ratio(0...1e6, example: "32"), default: "2 x rank", "scale of what adapters add; costs nothing"),
            Field(
                "targets", \.targets, targets, default: "[q_proj, v_proj]",
                "linear layers with an adapter, by their names in checkpoints, or groups of them: attention, mlp (experts too), all-linear (both)"
            ),
            Field("base", \.base, .choice, default: "bf16", "how the frozen linear layers are kept; nf4 with quantised scales (QLoRA)"),
            Field(
                "dropout", \.dropout, .ratio(0...1, example: "5 %"), default: "0",
                "before A; each adapted layer then keeps an input of its own"),
        ])
        return Kind<LowRankAdapters?>("{kind: lora, rank:, ...}", example: "{kind: lora, rank: 16}", children: section.entries) {
            item, reader in
            let before = reader.errors.count
            var draft = Draft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            guard let rank = draft.rank else {
                reader.report(item, "the key rank is missing", "write rank: 16")
                return nil
            }
            if draft.alpha != nil {
                reader.remark("training.adapters.alpha scales what adapters add; neither time nor memory depends on it")
            }
            if item.tree["targets"] == nil {
                reader.remark("training.adapters.targets is not given: q_proj and v_proj; all-linear is what QLoRA takes")
            }
            return LowRankAdapters(rank: rank, targets: Set(draft.targets), base: draft.base, dropout: draft.dropout > 0)
        }.abbreviated(by: word)
    }

    private enum Word: String, CaseIterable { case none, lora, qlora }
    /// A word alone: what QLoRA's authors take, rank 16 on every linear layer.
    private static var word: Kind<LowRankAdapters?> {
        let words = Kind<Word>.choice
        return Kind<LowRankAdapters?>(words.name, example: "lora") { item, reader in
            guard let word = words.read(item, &reader) else { return nil }
            guard word != .none else { return .some(nil) }
            reader.remark("training.adapters: \(word.rawValue) is of rank 16 on all linear layers; {rank:, targets:} says otherwise")
            return .some(LowRankAdapters(rank: 16, targets: [.allLinear], base: word == .qlora ? .nf4 : .bf16))
        }
    }

    /// A list, or one name.
    private static var targets: Kind<[LowRankAdapters.Target]> {
        let one = Kind<LowRankAdapters.Target>.choice
        let many = Kind.list(of: one, atMost: LowRankAdapters.Target.allCases.count)
        return Kind("\(one.name), or a list of them", example: "[q_proj, v_proj]") { item, reader in
            if case .sequence = item.tree.content { return many.read(item, &reader) }
            return one.read(item, &reader).map { [$0] }
        }.requiring("names no linear layer", "write [q_proj, v_proj], or all-linear") { !$0.isEmpty }
    }

    private static var passes: Section<ExtraPasses> {
        Section([
            Field(
                "reference", \.reference, .integer(0...64, example: 1), default: "0",
                "forward passes of a frozen copy of the model (DPO, PPO, GRPO); with adapters the base is the copy"),
            Field(
                "policy", \.policy, .integer(0...64, example: 1), default: "0",
                "forward passes of the model itself without gradients (probabilities before the update)"),
            refused("teacher", "the passes of another model", "distillation from a model of this size is passes: {reference: 1}"),
            refused("reward", "the passes of another model", "a reward model of this size is one reference pass more"),
            refused(
                "critic", "a second model that trains", "run it as a scenario of its own, with training.frozen or adapters as it has them"),
            refused(
                "generation", "decoding token by token",
                "train on sequences that are there: global_batch and sequence, with reference and policy"),
        ])
    }

    /// A kind of pass that people ask for by name and that is not modelled.
    private static func refused(_ key: String, _ what: String, _ advice: String) -> Field<ExtraPasses> {
        let kind = Kind<Int>("-", example: "-") { item, reader in
            reader.report(item, "\(what) is not modelled", advice)
            return nil
        }
        return Field(key, \.reference, kind, default: "-", "not modelled: \(what); \(advice)")
    }
}
