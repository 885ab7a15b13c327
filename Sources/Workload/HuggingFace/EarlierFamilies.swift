/// Families with layer norms and plain MLPs.
extension HuggingFaceReader {
    func gpt2() throws(WorkloadError) -> Architecture {
        var a = Architecture(name: name)
        a.layers = try config.integer("n_layer")
        a.hidden = try config.integer("n_embd")
        a.heads = try config.integer("n_head")
        a.kvHeads = a.heads
        a.headDim = a.hidden / max(1, a.heads)
        a.ffn = try config.optional("n_inner") ?? clampedProduct(4, a.hidden)
        a.vocab = try config.integer("vocab_size")
        a.sequence = try config.integer("n_positions", "n_ctx")
        a.positions = .learned(length: a.sequence)
        a.activation = try plain("activation_function", default: "gelu_new")
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: true)
        return a
    }

    func opt() throws(WorkloadError) -> Architecture {
        var a = try base()
        a.ffn = try config.integer("ffn_dim")
        a.activation = try plain("activation_function", default: "relu")
        // The table begins with two rows that stand for padding.
        a.positions = .learned(length: a.sequence < 1 << 40 ? a.sequence + 2 : a.sequence)
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: true)
        a.biases = try config.flag("enable_bias", default: true)
        a.finalNorm = try config.flag("do_layer_norm_before", default: true)
        if let width = try config.optional("word_embed_proj_dim"), width != a.hidden {
            throw config.fault("word_embed_proj_dim", "embeddings of another width than the layers cannot be modelled")
        }
        return a
    }

    func bloom() throws(WorkloadError) -> Architecture {
        var a = try base()
        a.ffn = clampedProduct(4, a.hidden)
        a.sequence = try config.optional("seq_length") ?? 2048
        a.positions = .alibi
        a.embeddingNorm = true
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: true)
        return a
    }

    func mpt() throws(WorkloadError) -> Architecture {
        var a = Architecture(name: name)
        a.layers = try config.integer("n_layers")
        a.hidden = try config.integer("d_model")
        a.heads = try config.integer("n_heads")
        let attention = config.section("attn_config")
        a.kvHeads = try attention.optional("kv_n_heads") ?? a.heads
        a.headDim = a.hidden / max(1, a.heads)
        a.ffn = clampedProduct(try config.optional("expansion_ratio") ?? 4, a.hidden)
        a.vocab = try config.integer("vocab_size")
        a.sequence = try config.integer("max_seq_len")
        a.biases = try !config.flag("no_bias", default: false)
        a.normBias = a.biases
        if try attention.flag("alibi", default: false) {
            a.positions = .alibi
        } else if try attention.flag("rope", default: false) {
            a.positions = .rotary
        } else {
            a.positions = .learned(length: a.sequence)
        }
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: true)
        return a
    }

    /// Heads by what the checkpoint holds: an encoder alone has a pooler, a masked-LM model its head, a pre-training model both.
    func bert() throws(WorkloadError) -> Architecture {
        var a = try base()
        a.ffn = try config.integer("intermediate_size")
        a.activation = try plain("hidden_act", default: "gelu")
        a.positions = .learned(length: try config.integer("max_position_embeddings"))
        a.causal = try config.flag("is_decoder", default: false)
        a.tokenTypes = try config.optional("type_vocab_size") ?? 2
        a.embeddingNorm = true
        a.finalNorm = false
        let holds = config.firstText("architectures") ?? "BertForPreTraining"
        a.pooler = holds != "BertForMaskedLM"
        a.maskedLMHead = holds == "BertForMaskedLM" || holds == "BertForPreTraining"
        return a
    }

    func falcon() throws(WorkloadError) -> Architecture {
        var a = try base()
        let isNew = try config.flag("new_decoder_architecture", default: false)
        let isParallel = try config.flag("parallel_attn", default: true)
        if isNew {
            a.kvHeads = try config.optional("num_kv_heads") ?? a.heads
        } else {
            a.kvHeads = try config.flag("multi_query", default: true) ? 1 : a.heads
        }
        a.ffn = try config.optional("ffn_hidden_size") ?? clampedProduct(4, a.hidden)
        a.biases = try config.flag("bias", default: false)
        a.positions = try config.flag("alibi", default: false) ? .alibi : .rotary
        a.normsPerLayer = isParallel ? (isNew ? try config.optional("num_ln_in_parallel_attn") ?? 2 : 1) : 2
        a.tiedEmbeddings = try config.flag("tie_word_embeddings", default: true)
        return a
    }
}
