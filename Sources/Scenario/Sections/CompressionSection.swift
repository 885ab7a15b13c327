import Compression
import Plan

/// `training.compression`: none, the word of a number format, a mapping, or the same as a list of steps: [topk: 5%, values: e4m3, indices: delta].
enum CompressionSection {
    enum Values: String, CaseIterable { case fp32, bf16, e4m3, e5m2, int8, int4, nf4, sign }
    enum Indices: String, CaseIterable {
        case raw, varint, delta, bitmap
        case eliasFano = "elias-fano"
        var coding: IndexCoding {
            switch self {
            case .raw: .raw
            case .varint: .varint
            case .delta: .packed
            case .bitmap: .bitmap
            case .eliasFano: .eliasFano
            }
        }
    }
    private struct Draft {
        var top: Double?
        var random: Double?
        var rank: Int?
        var values: Values?
        var block = 256
        var indices: Indices?
        var feedback: Bool?
    }

    private static var section: Section<Draft> {
        let share = Kind<Double>.ratio(0.0001...1, example: "5%")
        return Section([
            Field("topk", \.top, share, default: "all are sent", "share of the gradient's elements that is sent, the largest"),
            Field("randomk", \.random, share, default: "all are sent", "share that is sent, drawn by a seed that all replicas share"),
            Field("powersgd", \.rank, .integer(1...1024, example: 4), default: "no factors", "rank of PowerSGD (arXiv:1905.13727)"),
            Field("values", \.values, .choice, default: "fp32", "format of the elements sent"),
            Field("block", \.block, .integer(8...1_048_576, example: 256), default: "256", "elements that share a scale"),
            Field("indices", \.indices, .choice, default: "delta", "coding of the positions of topk"),
            Field(
                "error_feedback", \.feedback, .flag, default: "true for topk and powersgd",
                "what was not sent is added to the next gradient; it takes 4 bytes a parameter"),
        ])
    }

    static var kind: Kind<GradientCompression?> {
        let mapping = Kind<GradientCompression?>(
            "{topk:, values:, indices:, error_feedback:}", example: "{topk: 5%, values: e4m3}", children: section.entries
        ) { item, reader in
            let before = reader.errors.count
            var draft = Draft()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before, let codec = codec(draft, item, &reader) else { return nil }
            return .some(codec)
        }
        let words = (["none"] + Values.allCases.map(\.rawValue)).joined(separator: " | ")
        let short = Kind<GradientCompression?>(words, example: "none") { item, reader in
            if case .sequence(let steps) = item.tree.content { return merged(steps, item, &reader).flatMap { mapping.read($0, &reader) } }
            guard let text = item.scalar("none, a format or a mapping", example: "{topk: 5%, values: e4m3}", &reader) else { return nil }
            if text == "none" { return .some(nil) }
            guard let values = Values(rawValue: text) else {
                reader.report(item, "\(item.text) is none of \(words)", "write none, a format such as e4m3, or {topk: 5%, values: e4m3}")
                return nil
            }
            return codec(Draft(values: values), item, &reader).map { .some($0) }
        }
        return mapping.abbreviated(by: short)
    }

    /// A list of mappings as one mapping.
    private static func merged(_ steps: [Tree], _ item: Item, _ reader: inout Reader) -> Item? {
        var entries: [Tree.Entry] = []
        for (index, step) in steps.enumerated() {
            guard let own = step.entries else {
                reader.report(
                    item.element(index, step), "a step of the pipeline must be a key with its value", "write for instance [topk: 5%]")
                return nil
            }
            for entry in own {
                guard !entries.contains(where: { $0.key == entry.key }) else {
                    reader.report(entry.place, "\(item.path).\(entry.key)", "\(entry.key) stands twice", "remove one of the two")
                    return nil
                }
                entries.append(entry)
            }
        }
        return Item(tree: Tree(place: item.tree.place, content: .mapping(entries)), path: item.path)
    }

    private static func codec(_ draft: Draft, _ item: Item, _ reader: inout Reader) -> GradientCompression? {
        let selections = [("topk", draft.top != nil), ("randomk", draft.random != nil), ("powersgd", draft.rank != nil)].filter(\.1).map(
            \.0)
        func refuse(_ key: String, _ reason: String, _ advice: String) {
            reader.report(item.tree[key]?.place ?? item.tree.place, "\(item.path).\(key)", reason, advice)
        }
        if selections.count > 1 {
            refuse(selections[1], "\(selections.joined(separator: " and ")) exclude each other", "keep one of them")
            return nil
        }
        if draft.indices != nil, draft.top == nil {
            refuse("indices", "only topk sends positions", "write topk: 5%, or remove indices")
            return nil
        }
        if draft.rank != nil, draft.values != nil {
            refuse("values", "PowerSGD sends its factors in fp32", "remove values")
            return nil
        }
        if item.tree["block"] != nil, draft.values == nil || draft.values == .fp32 || draft.values == .bf16 {
            refuse("block", "\(draft.values?.rawValue ?? "fp32") has no scales", "remove block, or write values: e4m3")
            return nil
        }
        guard !selections.isEmpty || draft.values != nil else {
            reader.report(item, "nothing says how gradients are compressed", "write topk, powersgd or values; or compression: none")
            return nil
        }
        do throws(CodecError) { return try build(draft) } catch {
            reader.report(item, "\(error)", "write for instance {topk: 5%, values: e4m3}")
            return nil
        }
    }

    private static func build(_ draft: Draft) throws(CodecError) -> GradientCompression {
        var codec = try values(draft)
        var name = codec.name
        if let share = draft.top {
            let indices = draft.indices ?? .delta
            codec = try SparseCodec(.top(.share(share)), values: codec, indices: indices.coding)
            name = "\(codec.name), \(indices.rawValue) positions"
        } else if let share = draft.random {
            codec = try SparseCodec(.random(.share(share), seed: 1), values: codec)
            name = codec.name
        } else if let rank = draft.rank {
            codec = try PowerSGD(rank: rank)
            name = codec.name
        }
        guard draft.feedback ?? (draft.top != nil || draft.rank != nil) else { return try GradientCompression(codec, name: name) }
        return try GradientCompression(ErrorFeedback(codec), name: "\(name) with error feedback")
    }

    private static func values(_ draft: Draft) throws(CodecError) -> any GradientCodec {
        let format: NumberFormat
        switch draft.values ?? .fp32 {
        case .fp32: return IdentityCodec()
        case .bf16: return Bfloat16Codec()
        case .e4m3: format = .e4m3
        case .e5m2: format = .e5m2
        case .int8: format = .int8
        case .int4: format = .int4
        case .nf4: format = .nf4
        case .sign: format = .sign
        }
        return try BlockQuantizer(format, block: draft.block)
    }
}
