import Foundation
import Testing

@Suite struct CalibrateTests {
    @Test func emptyTableIsRefused() throws {
        let folder = try Folder()
        let header =
            "id,source,hardware,gpus,gpus_per_node,inter_node,layers,hidden,heads,kv_heads,head_dim,ffn,activation,vocab,sequence,experts,"
            + "active_experts,shared_experts,expert_ffn,dense_layers,attention,global_batch,micro_batch,tensor,pipeline,virtual,context,expert,"
            + "expert_tensor,data,sequence_parallel,zero,recompute,precision,schedule,framework,step_time_s,memory_gb,weight\n"
        let outcome = try Program.run("calibrate", "fit", try folder.write(header, as: "none.csv"))
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("the table has a header and no rows"))
    }

    /// The place of the answer is tried before the fit, not after it.
    @Test func unwritableOutputIsFoundFirst() throws {
        let outcome = try Program.run("calibrate", "fit", "no-such-table.csv", "--output", "/no/such/folder/profiles.yaml")
        #expect(outcome.status == 2)
        #expect(outcome.errors.contains("/no/such/folder/profiles.yaml: cannot be written"))
    }
}
