import Workload

/// `model.moe`.
enum ExpertsSection {
    private struct Draft {
        var value = Architecture.MoE(experts: 0, active: 0, ffn: 0)
        var capacity: Double??
    }
    /// - Parameter base: what the preset has; its values hold where none are written.
    static func kind(_ base: Architecture.MoE?) -> Kind<Architecture.MoE?> {
        let section = Section<Draft>([
            Field("experts", \.value.experts, .integer(1...100_000, example: 256), default: "required", "routed experts of a layer"),
            Field("active", \.value.active, .integer(1...100_000, example: 8), default: "required", "experts that a token is sent to"),
            Field("shared", \.value.shared, .integer(0...1000, example: 1), default: "0", "experts that every token passes"),
            Field("ffn", \.value.ffn, .integer(1...100_000_000, example: 2048), default: "required", "inner width of one expert"),
            Field(
                "shared_ffn", \.value.sharedFFN, .integer(1...100_000_000, example: 2048), default: "shared x ffn",
                "inner width of the shared experts together"),
            Field(
                "dense_layers", \.value.denseLayers, .integer(0...10_000, example: 3), default: "0", "leading layers with an ordinary MLP"),
            Field(
                "capacity", \.capacity, Kind.ratio(0.01...1000, example: "1.25").or("none"), default: "none (dropless)",
                "tokens an expert accepts, as a multiple of an even share"),
            Field(
                "node_limit", \.value.nodeLimit, .integer(1...100_000, example: 4), default: "none",
                "most nodes that the experts of one token stand on (arXiv:2412.19437)"),
            Field("balancing_bias", \.value.balancingBias, .flag, default: "false", "a bias an expert that steers the routing"),
            Field("shared_gate", \.value.sharedGate, .flag, default: "false", "a gate on the shared experts' output"),
            Field(
                "imbalance", \.value.imbalance, .ratio(1...1000, example: "1.2"), default: "1",
                "load of the busiest expert rank over the mean"),
        ])
        return Kind<Architecture.MoE>("mapping", example: "{experts: 8, active: 2, ffn: 2048}", children: section.entries) { item, reader in
            let before = reader.errors.count
            var draft = Draft()
            if let base { draft = Draft(value: base, capacity: .some(base.capacity)) }
            if item.tree["shared"] != nil { draft.value.sharedFFN = nil }
            section.read(item, into: &draft, &reader)
            for key in ["experts", "active", "ffn"] where base == nil && item.tree.entries != nil && item.tree[key] == nil {
                reader.report(item.tree.place, "\(item.path).\(key)", "the key is missing", "write \(key): with a whole number")
            }
            draft.value.capacity = draft.capacity ?? nil
            return reader.errors.count == before ? draft.value : nil
        }.or("none")
    }
}
