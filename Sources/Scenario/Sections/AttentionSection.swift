import Workload

/// `model.attention`: a word, or a mapping with the widths of that kind.
enum AttentionSection {
    private enum Name: String, CaseIterable { case full, sliding, sparse, mla }
    private struct Draft {
        var kind: Name?
        var window: Int?
        var period = 1
        var topK: Int?
        var scoring = Architecture.KeyScoring.full
        var queryRank: Int??
        var kvRank: Int?
        var ropeDim: Int?
        var nopeDim = 128
        var valueDim = 128
    }

    private static var name: Field<Draft> { Field("kind", \.kind, .choice, default: "full", "which keys a query reads") }
    private static func fields(_ kind: Name) -> [Field<Draft>] {
        switch kind {
        case .full: []
        case .sliding:
            [
                Field(
                    "window", \.window, .integer(1...1_000_000_000, example: 4096), default: "required for sliding",
                    "tokens a windowed layer sees"),
                Field(
                    "period", \.period, .integer(1...1000), default: "1", "every so many layers one sees everything; 1: all are windowed"),
            ]
        case .sparse:
            [
                Field(
                    "top_k", \.topK, .integer(1...1_000_000_000, example: 2048), default: "required for sparse", "keys that a query reads"),
                Field(
                    "scoring", \.scoring, scoring, default: "full",
                    "how they are found: scores of every head, of an indexer, a sort, or nothing"),
            ]
        case .mla:
            [
                Field(
                    "q_rank", \.queryRank, Kind.integer(1...1_000_000, example: 1536).or("none"), default: "none",
                    "rank of the query compression (arXiv:2405.04434)"),
                Field(
                    "kv_rank", \.kvRank, .integer(1...1_000_000, example: 512), default: "required for mla",
                    "rank of the key and value compression"),
                Field(
                    "rope_dim", \.ropeDim, .integer(1...100_000, example: 64), default: "required for mla", "rotary dimensions of a head"),
                Field("nope_dim", \.nopeDim, .integer(1...100_000, example: 128), default: "128", "dimensions of a head without positions"),
                Field("value_dim", \.valueDim, .integer(1...100_000, example: 128), default: "128", "width of a value head"),
            ]
        }
    }

    private static var scoring: Kind<Architecture.KeyScoring> {
        struct Indexer {
            var heads: Int?
            var width: Int?
        }
        enum Word: String, CaseIterable { case full, none, sorted }
        let section = Section<Indexer>([
            Field("heads", \.heads, .integer(1...100_000, example: 64), default: "required for an indexer", "scoring heads"),
            Field("width", \.width, .integer(1...100_000, example: 128), default: "required for an indexer", "width of a scoring head"),
        ])
        let mapping = Kind<Architecture.KeyScoring>("{heads:, width:}", example: "{heads: 64, width: 128}", children: section.entries) {
            item, reader in
            let before = reader.errors.count
            var draft = Indexer()
            section.read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            if let heads = draft.heads, let width = draft.width { return .indexer(heads: heads, width: width) }
            reader.report(item, "an indexer needs heads and width", "write {heads: 64, width: 128}, or full, sorted or none")
            return nil
        }
        return mapping.abbreviated(
            by: Kind<Word>.choice.map { word in
                switch word {
                case .full: .full
                case .none: .none
                case .sorted: .sorted
                }
            })
    }

    private static var word: Kind<Architecture.Attention> {
        Kind("full", example: "full") { item, reader in
            guard let name = Kind<Name>.choice.read(item, &reader) else { return nil }
            if name == .full { return .full }
            reader.report(item, "\(name.rawValue) needs its widths", example(name))
            return nil
        }
    }

    private static func example(_ name: Name) -> String {
        switch name {
        case .full: "write attention: full"
        case .sliding: "write attention: {kind: sliding, window: 4096}"
        case .sparse: "write attention: {kind: sparse, top_k: 2048}"
        case .mla: "write attention: {kind: mla, q_rank: 1536, kv_rank: 512, rope_dim: 64}"
        }
    }

    private static func draft(_ base: Architecture.Attention) -> Draft {
        var draft = Draft()
        switch base {
        case .full: draft.kind = .full
        case .sliding(let window, let period): (draft.kind, draft.window, draft.period) = (.sliding, window, period)
        case .sparse(let topK, let scoring): (draft.kind, draft.topK, draft.scoring) = (.sparse, topK, scoring)
        case .mla(let queryRank, let kvRank, let ropeDim, let nopeDim, let valueDim):
            (draft.kind, draft.queryRank, draft.kvRank, draft.ropeDim) = (.mla, .some(queryRank), kvRank, ropeDim)
            (draft.nopeDim, draft.valueDim) = (nopeDim, valueDim)
        }
        return draft
    }

    private static func refuseWidthsOfOtherKinds(_ item: Item, _ kind: Name, _ reader: inout Reader) {
        let own = fields(kind).map(\.key)
        for entry in item.tree.entries ?? [] where !own.contains(entry.key) {
            guard let other = Name.allCases.first(where: { fields($0).contains { $0.key == entry.key } }) else { continue }
            reader.report(
                entry.place, item.child(entry).path, "\(entry.key) says nothing about \(kind.rawValue) attention",
                "write kind: \(other.rawValue), or remove \(entry.key)")
        }
    }

    /// - Parameter base: what the preset has; its kind and widths hold where none are written.
    static func kind(_ base: Architecture.Attention) -> Kind<Architecture.Attention> {
        let entries = Section([name] + Name.allCases.flatMap(fields)).entries
        return Kind<Architecture.Attention>("{kind: ...} with the keys of that kind", example: "{kind: full}", children: entries) {
            item, reader in
            let before = reader.errors.count
            var draft = draft(base)
            if let entry = item.tree["kind"] { name.apply(item.child(entry), &draft, &reader) }
            guard reader.errors.count == before else { return nil }
            let kind = draft.kind ?? .full
            refuseWidthsOfOtherKinds(item, kind, &reader)
            let others = Name.allCases.flatMap(fields).map(\.silent)
            Section([name.silent] + fields(kind) + others).read(item, into: &draft, &reader)
            guard reader.errors.count == before else { return nil }
            switch kind {
            case .full: return .full
            case .sliding: if let window = draft.window { return .sliding(window: window, period: draft.period) }
            case .sparse: if let topK = draft.topK { return .sparse(topK: topK, scoring: draft.scoring) }
            case .mla:
                if let rank = draft.kvRank, let rope = draft.ropeDim {
                    return .mla(
                        queryRank: draft.queryRank ?? nil, kvRank: rank, ropeDim: rope, nopeDim: draft.nopeDim, valueDim: draft.valueDim)
                }
            }
            reader.report(item, "\(kind.rawValue) lacks one of its widths", example(kind))
            return nil
        }.abbreviated(by: word)
    }
}
