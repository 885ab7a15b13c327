import Quantities

/// The files of scenarios/claims that claims are measured with; they ship with the program.
enum ClaimScenarios {
    /// - Throws: `Fault` where no such file ships.
    static func text(_ name: String) throws(Fault) -> String {
        guard let bytes = files[name] else { throw Fault(keyPath: "claims", reason: "no file \(name) ships with the program") }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static let files: [String: [UInt8]] = [
        "c01-compressed-gradients.yaml": PackageResources.c01_compressed_gradients_yaml,
        "c06-ten-billion-memory.yaml": PackageResources.c06_ten_billion_memory_yaml,
        "c07-all-techniques.yaml": PackageResources.c07_all_techniques_yaml,
        "c09-number-formats.yaml": PackageResources.c09_number_formats_yaml,
        "c14-offloaded-175b.yaml": PackageResources.c14_offloaded_175b_yaml,
        "c17-recomputation.yaml": PackageResources.c17_recomputation_yaml,
        "c18-step.yaml": PackageResources.c18_step_yaml,
        "c19-eight-bit-activations.yaml": PackageResources.c19_eight_bit_activations_yaml,
        "c20-hierarchical-all-reduce.yaml": PackageResources.c20_hierarchical_all_reduce_yaml,
        "c22-checkpoint-recovery.yaml": PackageResources.c22_checkpoint_recovery_yaml,
        "c23-virtual-pipeline.yaml": PackageResources.c23_virtual_pipeline_yaml,
        "c24-bubble-removal.yaml": PackageResources.c24_bubble_removal_yaml,
        "c25-hybrid-optimum.yaml": PackageResources.c25_hybrid_optimum_yaml,
        "c29-monitoring.yaml": PackageResources.c29_monitoring_yaml,
        "c31-shared-attention.yaml": PackageResources.c31_shared_attention_yaml,
        "c33-energy-resnet.yaml": PackageResources.c33_energy_resnet_yaml,
        "c36-data-pipeline.yaml": PackageResources.c36_data_pipeline_yaml,
        "c37-consumer-cards.yaml": PackageResources.c37_consumer_cards_yaml,
        "c38-spot-price.yaml": PackageResources.c38_spot_price_yaml,
        "c39-project-cost.yaml": PackageResources.c39_project_cost_yaml,
        "c40-bert-gpu-days.yaml": PackageResources.c40_bert_gpu_days_yaml,
        "c41-sparse-attention.yaml": PackageResources.c41_sparse_attention_yaml,
        "c42-32b-one-card.yaml": PackageResources.c42_32b_one_card_yaml,
        "c46-gradient-groups.yaml": PackageResources.c46_gradient_groups_yaml,
    ]
}
