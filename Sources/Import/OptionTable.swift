import Scenario
import Yams

/// Options of the programs that no scenario key takes, with the reason: Resources/options.yaml.
struct OptionTable: Sendable {
    struct Group: Sendable {
        var kind: LaunchVerdict.Kind
        var why: String
        /// Names with `_`; `*` and `?` as in the shell.
        var names: [String]
    }
    private let groups: [String: [Group]]

    static let shared: OptionTable = {
        let text = String(decoding: PackageResources.options_yaml, as: UTF8.self)
        guard let root = try? Yams.compose(yaml: text, .basic), let formats = root.mapping else { return OptionTable(groups: [:]) }
        var groups: [String: [Group]] = [:]
        for (name, lists) in formats {
            for (kind, list) in lists.mapping ?? [:] {
                for group in list.sequence ?? [] {
                    guard let kind = LaunchVerdict.Kind(rawValue: kind.string ?? ""), let why = group["why"]?.string else { continue }
                    let names = group["names"]?.sequence?.compactMap(\.string) ?? []
                    groups[name.string ?? "", default: []].append(Group(kind: kind, why: why, names: names))
                }
            }
        }
        return OptionTable(groups: groups)
    }()

    private static let tables: [LaunchFormat: [String]] = [
        .megatron: ["arguments"], .deepspeed: ["configuration", "arguments", "trainer"], .torchtitan: ["titan"],
        .nemo: ["recipe", "arguments"], .mlperf: ["submission"], .huggingface: [],
    ]

    /// What is known of an option; nil: nothing.
    func verdict(_ name: String, _ format: LaunchFormat) -> LaunchVerdict? {
        let whole = Array(name.lowercased())
        let last = Array(name.lowercased().split(separator: ".").last ?? "")
        for table in Self.tables[format] ?? [] {
            for group in groups[table] ?? [] {
                for pattern in group.names
                where shellMatches(whole, Array(pattern)) || !pattern.contains(".") && shellMatches(last, Array(pattern)) {
                    return LaunchVerdict(kind: group.kind, key: "", reason: group.why)
                }
            }
        }
        return nil
    }

    /// Names by which a program's command is told from others.
    static func known(_ format: LaunchFormat) -> Set<String> {
        var names: Set<String> = [
            "num_layers", "hidden_size", "num_attention_heads", "seq_length", "micro_batch_size", "global_batch_size",
            "tensor_model_parallel_size",
            "pipeline_model_parallel_size", "train_iters", "train_samples", "bf16", "fp16", "deepspeed", "deepspeed_config",
            "model_name_or_path",
            "per_device_train_batch_size", "gradient_accumulation_steps", "swiglu", "num_experts", "ffn_hidden_size",
        ]
        for table in tables[format] ?? [] { for group in shared.groups[table] ?? [] { names.formUnion(group.names) } }
        return names
    }
}
