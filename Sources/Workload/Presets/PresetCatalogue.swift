import Quantities

extension Architecture {
    /// Names of all presets, by family and size.
    public static var presetNames: [String] { PresetCatalogue.index.map(\.name) }

    /// A published model by name, for instance `llama3-405b`.
    /// - Throws: `WorkloadError.unknownPreset` with the nearest name.
    public static func preset(_ name: String) throws(WorkloadError) -> Architecture {
        guard let entry = PresetCatalogue.index.first(where: { $0.name == name }) else {
            throw .unknownPreset(name: name, suggestion: nearest(name, in: presetNames))
        }
        guard let model = try PresetCatalogue.files[entry.file].read(only: name).first else {
            throw .unknownPreset(name: name, suggestion: nil)
        }
        return model
    }
}

/// The data files and where each preset stands, so that a look-up reads one model and not all.
enum PresetCatalogue {
    static let files = [
        PresetFile(name: "gpt.yaml", bytes: PackageResources.gpt_yaml),
        PresetFile(name: "llama.yaml", bytes: PackageResources.llama_yaml),
        PresetFile(name: "mixture.yaml", bytes: PackageResources.mixture_yaml),
        PresetFile(name: "qwen.yaml", bytes: PackageResources.qwen_yaml),
        PresetFile(name: "lineage.yaml", bytes: PackageResources.lineage_yaml),
        PresetFile(name: "qwen2.yaml", bytes: PackageResources.qwen2_yaml),
        PresetFile(name: "gemma.yaml", bytes: PackageResources.gemma_yaml),
        PresetFile(name: "olmo.yaml", bytes: PackageResources.olmo_yaml),
        PresetFile(name: "cohere.yaml", bytes: PackageResources.cohere_yaml),
        PresetFile(name: "plain.yaml", bytes: PackageResources.plain_yaml),
        PresetFile(name: "experts.yaml", bytes: PackageResources.experts_yaml),
        PresetFile(name: "mpt.yaml", bytes: PackageResources.mpt_yaml),
        PresetFile(name: "encoder.yaml", bytes: PackageResources.encoder_yaml),
        PresetFile(name: "vision.yaml", bytes: PackageResources.vision_yaml),
    ]

    static let index: [(name: String, file: Int)] = files.enumerated().flatMap { file, content in
        content.names.map { (name: $0, file: file) }
    }
}
