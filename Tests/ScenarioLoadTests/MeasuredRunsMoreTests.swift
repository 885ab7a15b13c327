import Foundation
import Plan
import Testing
import Workload

@testable import Scenario

/// Rows of pictures, encoders and rare averages, rows that are left out, and rows with a fault beside sound ones.
@Suite struct MeasuredRunsMoreTests {
    private func read(_ lines: [String]) throws(ScenarioErrors) -> [MeasuredRun] {
        try MeasuredRuns.read(csv: lines.joined(separator: "\n"), file: "runs.csv")
    }

    @Test func aBadCellIsTheFaultOfItsRow() throws {
        let header = "id,hardware,gpus,layers,hidden,heads,vocab,sequence,global_batch,step_time_s,outlier"
        let runs = try read([
            header, "good,h100-sxm-80gb,8,8,512,8,32000,1024,1048576,1.5,", "bad,h100-sxm-80gb,eight,8,512,8,32000,1024,64,soon,",
            "other,h100-sxm-80gb,8,8,512,8,32000,1024,64,9.5,true",
        ])
        #expect(runs.map(\.id) == ["good", "bad", "other"])
        #expect(runs[0].job?.training.globalBatch == 1_048_576 && !runs[0].isExcluded && runs[2].isExcluded)
        #expect(runs[1].job == nil && runs[1].reason?.contains("step_time_s: \"soon\"") == true && runs[1].reason?.contains("gpus") == true)
    }

    @Test func picturesByTheNameOfTheirModel() throws {
        let header = "id,hardware,gpus,gpus_per_node,inter_node,intra_node,model,image,global_batch,micro_batch,precision,step_time_s"
        let runs = try read([
            header, "a,v100-sxm-16gb,8,8,none,nvlink2,resnext101_32x8d,224,256,32,fp32,0.5",
            "b,rtx3090-24gb,2,2,none,pcie4,resnet18,224,64,32,fp16,0.1",
        ])
        let job = try #require(runs[0].job)
        #expect(job.model.convolutionGroups == 32 && job.training.optimizer == .momentum && job.data == 8)
        #expect(runs[1].job == nil && runs[1].reason?.contains("resnet18") == true)
        #expect(throws: ScenarioErrors.self) { try read([header.replacing("model,", with: "name,"), ""]) }
    }

    @Test func encodersAndTheirHeads() throws {
        let header = "hardware,gpus,layers,hidden,heads,ffn,activation,vocab,sequence,global_batch,step_time_s,causal,head,optimizer"
        let runs = try read([
            header, "a100-sxm-80gb,8,24,1024,16,4096,gelu,30528,128,64,0.5,false,mlm,lamb",
            "a100-sxm-80gb,8,24,1024,16,4096,gelu,30528,384,64,0.5,false,qa-2,soap",
            "a100-sxm-80gb,8,24,1024,16,4096,gelu,30528,384,64,0.5,false,x,adam",
        ])
        let masked = try #require(runs[0].job)
        #expect(!masked.model.causal && masked.model.maskedLMHead && masked.model.scoredShare < 0.2 && masked.training.optimizer == .lamb)
        let answers = try #require(runs[1].job)
        #expect(answers.model.outputs == 2 && answers.model.parameters.head == 2048)
        #expect(runs[1].warnings.contains { $0.contains("soap") })
        #expect(runs[2].job == nil && runs[2].reason?.contains("head") == true)
    }

    @Test func rareAveragesOverANamedLink() throws {
        let header =
            "hardware,gpus,gpus_per_node,inter_node,layers,hidden,heads,ffn,activation,vocab,sequence,global_batch,precision,step_time_s,algorithm,inner_steps,link_gbit_s_measured"
        let runs = try read([
            header, "l40s-48gb,4,1,shaped-1g,6,256,16,768,swiglu,50257,512,16,fp32,0.2,diloco,8,0.9926",
            "l40s-48gb,4,1,shaped-1g,6,256,16,768,swiglu,50257,512,16,fp32,1.9,ddp,1,0.9926",
        ])
        let job = try #require(runs[0].job)
        let updates = try #require(runs[0].localUpdates)
        #expect(updates.steps == 8 && updates.workers == 4 && abs(updates.port - 0.9926e9 / 8) < 1)
        #expect(job.cluster.gpus == 1 && job.data == 1 && job.training.globalBatch == 4)
        // 1.5 x 123 MB over 0.124 GB/s.
        #expect(abs(updates.exchangeSeconds(job) - 1.505) < 0.05)
        #expect(runs[1].localUpdates == nil && runs[1].job?.data == 4)
    }
}
